"""Further paths of a provider that are passed through without a record, as its row lists them."""

import re

from aigateway.errors import RowInvalid

TEMPLATES_LIMIT = 20
LENGTH_LIMIT = 128
SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")
RECORDED = frozenset(
    f"{version}{path}"
    for version in ("/v1", "")
    for path in ("/messages", "/chat/completions", "/responses", "/responses/compact")
)
"""What a client asks of a model goes by these paths: never without a record."""


def templates_from(value: object) -> tuple[str, ...]:
    """Read ``extra_passthrough``: paths such as ``/v1/files`` or ``/v1/files/*``.

    ``*`` stands at the end, for one segment or more. Raises ``RowInvalid``.
    """
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > TEMPLATES_LIMIT:
        raise RowInvalid(f"extra_passthrough: expected a list of at most {TEMPLATES_LIMIT} paths")
    for template in value:
        if not isinstance(template, str) or not is_template(template):
            raise RowInvalid(
                "extra_passthrough: expected paths such as /v1/files or /v1/files/*, without a "
                f"query, at most {LENGTH_LIMIT} characters long"
            )
        if _covers_recorded(template):
            raise RowInvalid("extra_passthrough: a path covers requests that must be recorded")
    if len(set(value)) != len(value):
        raise RowInvalid("extra_passthrough: a path is given twice")
    return tuple(value)


def is_template(text: str) -> bool:
    """Whether it is an absolute path of plain segments, the last one perhaps ``*``."""
    begin, *segments = text.split("/")
    if begin or not segments or len(text) > LENGTH_LIMIT:
        return False
    *inner, last = segments
    plain = [*inner, *([] if last == "*" and inner else [last])]
    return all(SEGMENT.fullmatch(each) and each not in (".", "..") for each in plain)


def _covers_recorded(template: str) -> bool:
    lower = template.lower()
    if lower.endswith("/*"):
        return any(path.startswith(lower[:-1]) for path in RECORDED)
    return lower.endswith(tuple(RECORDED))
