"""What a deployment prints for clients."""

from pathlib import Path

from local.client_settings import client_settings, deployed_with

OUTPUTS = {
    "AnthropicBaseUrl": "https://id.lambda-url.eu-west-1.on.aws/anthropic",
    "OpenAIBaseUrl": "https://id.lambda-url.eu-west-1.on.aws/openai/v1",
    "ApiUrl": "https://id.execute-api.eu-west-1.amazonaws.com/live",
    "FirstKeyCommand": "aws secretsmanager get-secret-value --secret-id aigw/admin-key",
    "TableName": "aigw-Table-1",
    "PayloadBucketName": "aigw-payloadbucket-1",
}


def test_every_line_can_be_pasted_into_a_shell() -> None:
    lines = client_settings(OUTPUTS).splitlines()
    assert "export AIGW_TABLE=aigw-Table-1" in lines
    assert f"export ANTHROPIC_BASE_URL={OUTPUTS['AnthropicBaseUrl']}" in lines
    assert f"export AIGW_KEY=$({OUTPUTS['FirstKeyCommand']})" in lines
    assert all(line.startswith(("#", "export ", "curl ")) for line in lines if line)


def test_the_stack_is_the_one_that_the_guided_deployment_kept(tmp_path: Path) -> None:
    samconfig = tmp_path / "samconfig.toml"
    samconfig.write_text(
        '[default.global.parameters]\nstack_name = "aigw"\n'
        '[default.deploy.parameters]\nstack_name = "team"\nregion = "eu-west-1"\n'
    )
    assert deployed_with(samconfig) == {"stack_name": "team", "region": "eu-west-1"}


def test_without_a_guided_deployment_the_stack_has_its_usual_name(tmp_path: Path) -> None:
    samconfig = tmp_path / "samconfig.toml"
    samconfig.write_text('[default.global.parameters]\nstack_name = "aigw"\n')
    assert deployed_with(samconfig) == {"stack_name": "aigw"}
