"""How a response failed: by its status, or by the words of its error object."""

from collections.abc import Iterable
from typing import final

from aigateway.errors import Misheard
from aigateway.transcript.facts import Dialect, Ended, ErrorType, Fact
from aigateway.transcript.notebook import cut_to
from aigateway.wire.frames import Frame
from aigateway.wire.jsontext import loads, mended

MESSAGE_LIMIT_BYTES = 4 * 1024

_BY_STATUS: dict[int, ErrorType] = {
    400: "bad_request",
    404: "bad_request",
    413: "bad_request",
    422: "bad_request",
    401: "unauthorized",
    403: "unauthorized",
    408: "timeout",
    429: "rate_limited",
    529: "overloaded",
}

_BY_WORD: dict[str, ErrorType] = {
    "api_error": "server_error",
    "server_error": "server_error",
    "insufficient_quota": "rate_limited",
    "invalid_prompt": "bad_request",
    "content_filter": "bad_request",
    "request_too_large": "bad_request",
}
_BY_BEGINNING: tuple[tuple[str, ErrorType], ...] = (
    ("rate_limit", "rate_limited"),
    ("overloaded", "overloaded"),
    ("invalid_request", "bad_request"),
    ("authentication", "unauthorized"),
    ("permission", "unauthorized"),
    ("billing", "unauthorized"),
    ("image_", "bad_request"),
    ("context_length", "bad_request"),
    ("not_found", "bad_request"),
)
_BY_PART: tuple[tuple[str, ErrorType], ...] = (
    ("timeout", "timeout"),
    ("policy", "bad_request"),
)


def error_type_of_status(status: int, dialect: Dialect) -> ErrorType:
    """Read a status of 300 or more; Anthropic's own word for too busy is 529, OpenAI's is 503."""
    if status == 503 and dialect is not Dialect.MESSAGES:  # noqa: PLR2004 - see above
        return "overloaded"
    return _BY_STATUS.get(status, "server_error" if status >= 500 else "unknown")  # noqa: PLR2004


def error_type_of_words(words: Iterable[object], dialect: Dialect) -> ErrorType:
    """Read ``code`` and ``type`` of an error object: the first one that is known decides."""
    for word in words:
        found = _error_type_of_word(word, dialect)
        if found is not None:
            return found
    return "unknown"


def _error_type_of_word(word: object, dialect: Dialect) -> ErrorType | None:
    if isinstance(word, str) and word.strip().isdecimal() and len(word) < 8:  # noqa: PLR2004
        word = int(word)
    if isinstance(word, int) and not isinstance(word, bool):
        return error_type_of_status(word, dialect) if 400 <= word < 600 else None  # noqa: PLR2004
    if not isinstance(word, str):
        return None
    name = word.strip().lower()
    if name in _BY_WORD:
        return _BY_WORD[name]
    for beginning, found in _BY_BEGINNING:
        if name.startswith(beginning):
            return found
    return next((found for part, found in _BY_PART if part in name), None)


def failed(error: object, status: int, dialect: Dialect, stop_reason: str | None = None) -> Ended:
    """End with an error object that came with status 200, in a stream or as a body."""
    words = (error.get("code"), error.get("type")) if isinstance(error, dict) else ()
    return Ended(
        outcome="failed",
        http_status=status,
        error_type=error_type_of_words(words, dialect),
        message=message_of(error),
        stop_reason=stop_reason,
    )


def not_a_response(status: int) -> Ended:
    """End a body that is complete, but no response of its dialect."""
    return Ended("failed", status, "unknown", None, None)


def cut(status: int, stop_reason: str | None = None) -> Ended:
    """End a response that stopped before its own end."""
    return Ended("upstream_cut", status, "server_error", None, stop_reason)


def message_of(error: object) -> str | None:
    """Find the text for people in an error object, or in a body around one."""
    if isinstance(error, str):
        return _shortened(error)
    if not isinstance(error, dict):
        return None
    for name in ("error", "message", "Message", "detail"):
        found = message_of(error.get(name))
        if found is not None:
            return found
    return None


def _shortened(text: str) -> str | None:
    return cut_to(mended(text.strip()), MESSAGE_LIMIT_BYTES) or None


@final
class FailureReader:
    """Reads an answer with an error status, of any dialect: a body, or a stream even so."""

    def __init__(self, dialect: Dialect, status: int) -> None:
        self._dialect = dialect
        self._status = status
        self._message: str | None = None

    def read(self, frame: Frame) -> Iterable[Fact]:
        if self._message is None:
            self._message = _message_in(frame)
        return ()

    def end(self, *, cut: bool) -> Iterable[Fact]:  # noqa: ARG002 - the status has said it all
        error_type = error_type_of_status(self._status, self._dialect)
        return (Ended("failed", self._status, error_type, self._message, None),)


def _message_in(frame: Frame) -> str | None:
    """Find the message of an error body; of a text that is no JSON, and no page, its first line."""
    try:
        return message_of(loads(frame.data))
    except Misheard:
        text = frame.data[: 2 * MESSAGE_LIMIT_BYTES].decode("utf-8", "replace").strip()
        return None if text[:1] in {"", "<", "{", "["} else _shortened(text.splitlines()[0])
