"""The vendors' SDKs as clients: one conversation with a tool, streaming and blocking.

Each of the functions sends ``prompts`` one after another and answers every tool call, as the
vendors' guides show it. What the SDK raises goes to the caller.
"""

from collections.abc import Callable, Mapping
from typing import Any

import anthropic
import openai

from tests.clients.running import Product

SCHEMA = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
FOUND = "the colour is teal"
Talk = Callable[[Product, list[str]], None]


def messages(product: Product, prompts: list[str], *, streaming: bool) -> None:
    with anthropic.Anthropic(base_url=product.anthropic, api_key=product.key) as client:
        said: list[Any] = []
        for prompt in prompts:
            said.append({"role": "user", "content": prompt})
            while True:
                asked: dict[str, Any] = {
                    "model": "claude-sonnet-5",
                    "max_tokens": 500,
                    "messages": said,
                    "tools": [{"name": "bash", "input_schema": SCHEMA}],
                }
                if streaming:
                    with client.messages.stream(**asked) as stream:
                        answer: Any = stream.get_final_message()
                else:
                    answer = client.messages.create(**asked)
                said.append({"role": "assistant", "content": answer.content})
                results = [
                    {"type": "tool_result", "tool_use_id": block.id, "content": FOUND}
                    for block in answer.content
                    if block.type == "tool_use"
                ]
                if not results:
                    break
                said.append({"role": "user", "content": results})


def chat(product: Product, prompts: list[str], *, streaming: bool) -> None:
    with openai.OpenAI(base_url=product.openai, api_key=product.key) as client:
        said: list[Any] = []
        for prompt in prompts:
            said.append({"role": "user", "content": prompt})
            while True:
                function = {"name": "bash", "parameters": SCHEMA}
                asked: dict[str, Any] = {
                    "model": "gpt-5.2",
                    "messages": said,
                    "tools": [{"type": "function", "function": function}],
                }
                if streaming:
                    told: dict[str, Any] = {"stream_options": {"include_usage": True}}
                    with client.chat.completions.stream(**asked, **told) as stream:
                        answer: Any = stream.get_final_completion()
                else:
                    answer = client.chat.completions.create(**asked)
                message = answer.choices[0].message
                said.append(message.model_dump(exclude_none=True, exclude={"parsed"}))
                if not message.tool_calls:
                    break
                said += [
                    {"role": "tool", "tool_call_id": call.id, "content": FOUND}
                    for call in message.tool_calls
                ]


def responses(product: Product, prompts: list[str], *, streaming: bool) -> None:
    with openai.OpenAI(base_url=product.openai, api_key=product.key) as client:
        said: list[Any] = []
        for prompt in prompts:
            said.append({"role": "user", "content": prompt})
            while True:
                tool = {"type": "function", "name": "bash", "parameters": SCHEMA, "strict": False}
                asked: dict[str, Any] = {
                    "model": "gpt-5.2",
                    "input": said,
                    "tools": [tool],
                    "reasoning": {"summary": "auto"},
                }
                if streaming:
                    with client.responses.stream(**asked) as stream:
                        answer: Any = stream.get_final_response()
                else:
                    answer = client.responses.create(**asked)
                said += [item.model_dump(exclude_none=True) for item in answer.output]
                results = [
                    {"type": "function_call_output", "call_id": item.call_id, "output": FOUND}
                    for item in answer.output
                    if item.type == "function_call"
                ]
                if not results:
                    break
                said += results


def talk(dialect: Callable[..., None], *, streaming: bool) -> Talk:
    return lambda product, prompts: dialect(product, prompts, streaming=streaming)


SDKS: Mapping[str, Talk] = {
    f"py-{dialect.__name__}{how}": talk(dialect, streaming=not how)
    for dialect in (messages, chat, responses)
    for how in ("", "-whole")
}
