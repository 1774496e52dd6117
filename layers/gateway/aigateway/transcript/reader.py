"""The reader of a dialect: frames of a response in, facts out; and what a request says."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from aigateway.errors import Misheard
from aigateway.transcript.anthropic_messages import MessagesReader
from aigateway.transcript.anthropic_request import read_messages_request
from aigateway.transcript.endings import FailureReader
from aigateway.transcript.facts import Dialect, Fact, Opening
from aigateway.transcript.openai_chat import ChatReader
from aigateway.transcript.openai_chat_request import read_chat_request
from aigateway.transcript.openai_responses import ResponsesReader
from aigateway.transcript.openai_responses_request import read_responses_request
from aigateway.transcript.prompts import PromptFilter
from aigateway.wire.frames import Frame
from aigateway.wire.jsontext import loads


class Reader(Protocol):
    """Reads one response. Raises ``Misheard``; after that it is not called again."""

    def read(self, frame: Frame) -> Iterable[Fact]:
        """Return the facts that ``frame`` made final, in the order of the response."""

    def end(self, *, cut: bool) -> Iterable[Fact]:
        """Return what is left, ``Ended`` last; ``cut``: the body broke off.

        Unfinished calls are marked ``partial``, unfinished thoughts ``truncated``. A stream that
        ended without its terminal event is ``upstream_cut``, however politely it ended.
        """


_READERS: Mapping[Dialect, Callable[[int], Reader]] = {
    Dialect.MESSAGES: MessagesReader,
    Dialect.CHAT: ChatReader,
    Dialect.RESPONSES: ResponsesReader,
}
_REQUESTS: Mapping[Dialect, Callable[[Mapping[str, Any], PromptFilter | None], Opening]] = {
    Dialect.MESSAGES: read_messages_request,
    Dialect.CHAT: read_chat_request,
    Dialect.RESPONSES: read_responses_request,
}


def reader_for(dialect: Dialect, status: int) -> Reader:
    """Choose by the answer's status: from 300 on only its error is read."""
    if status >= 300:  # noqa: PLR2004 - the end of the successful statuses, RFC 9110 15.3
        return FailureReader(dialect, status)
    return _READERS[dialect](status)


def read_opening(dialect: Dialect, body: bytes, prompts: PromptFilter | None) -> Opening:
    """Read a request body, decoded already. ``prompts=None``: this route records no prompt.

    Raises ``Misheard``: ``not_json`` where the body is no JSON object, ``too_deep``.
    """
    request = loads(body)
    if not isinstance(request, dict):
        raise Misheard("not_json")
    return _REQUESTS[dialect](request, prompts)
