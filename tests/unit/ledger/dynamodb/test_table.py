"""The table as it is made for local use."""

from aigateway.ledger.dynamodb.table import create_table, table_definition
from tests.unit.ledger.dynamodb.faulty import FaultyConnection


def test_index_names_are_long_enough_for_the_service() -> None:
    indexes = table_definition("ledger")["GlobalSecondaryIndexes"]
    assert [index["IndexName"] for index in indexes] == ["list", "lookup", "open"]


def test_every_key_is_defined_and_nothing_else_is() -> None:
    definition = table_definition("ledger")
    schemas = [definition["KeySchema"]]
    schemas += [index["KeySchema"] for index in definition["GlobalSecondaryIndexes"]]
    keys = {key["AttributeName"] for schema in schemas for key in schema}
    assert keys == {each["AttributeName"] for each in definition["AttributeDefinitions"]}


def test_making_the_table_twice_changes_nothing(faulty: FaultyConnection, table_name: str) -> None:
    create_table(table_name, faulty)
    described = faulty.dispatch("DescribeTable", {"TableName": table_name})["Table"]
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    (first, _) = faulty.requests("UpdateTimeToLive")
    assert first["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
