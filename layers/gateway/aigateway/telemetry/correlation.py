"""What all lines of one request have in common, kept apart from those of the others."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_current: ContextVar[Mapping[str, str]] = ContextVar("correlation", default=MappingProxyType({}))
"""Tasks and threads take over what is set where they are started."""


@contextmanager
def correlated(**ids: str | None) -> Iterator[None]:
    """Add ids to every line that is logged meanwhile; ``None`` is none."""
    given = {name: value for name, value in ids.items() if value is not None}
    token = _current.set({**_current.get(), **given})
    try:
        yield
    finally:
        _current.reset(token)


def correlation() -> Mapping[str, str]:
    """Return the ids of the request that is being served here."""
    return _current.get()
