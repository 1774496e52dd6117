"""One call of the control plane: what is asked, what is answered, and by which work."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, final

from aigateway.caller.principals import Signer
from aigateway.errors import Refusal
from aigateway.sessions.query import Parameters

ME = "me"
"""Stands for the caller wherever a user is named."""


@final
@dataclass(frozen=True, slots=True)
class Request:
    """``headers`` by lower-case name; ``parameters`` decoded, with all their values.

    ``signer``: who signed the request, where that counts.
    """

    headers: Mapping[str, str]
    parameters: Parameters
    method: str = "GET"
    body: bytes = b""
    signer: Signer | None = None


@final
@dataclass(frozen=True, slots=True)
class Reply:
    """``document`` is JSON of any shape, or a text of ``text_type``; ``None`` sends no body."""

    document: object
    status: int = 200
    text_type: str | None = None


Work = Callable[..., Coroutine[Any, Any, Reply]]
"""Takes the request, and then the variable parts of the path, unquoted."""

Routes = Mapping[str, Mapping[str, Work]]
"""Path below a prefix, variable parts as ``<name>``, to method to work."""


@final
class NothingFound(Refusal):
    """No such thing, or not for this caller: one text for both."""

    status, code = 404, "not_found"
