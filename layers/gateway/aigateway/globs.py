"""Patterns for names: ``*`` is any text, also none, ``?`` one character; all else is itself.

Anchored at both ends, and upper case is not lower case. Matching takes at most the product of
the two lengths, whatever the pattern.
"""

ANY = "*"
GLOB_LIMIT = 256
"""Characters in a pattern."""


def is_glob(value: object) -> bool:
    """Whether ``value`` can be a pattern: 1 to 256 printable characters."""
    return isinstance(value, str) and 1 <= len(value) <= GLOB_LIMIT and value.isprintable()


def matches(glob: str, text: str) -> bool:
    """Whether all of ``text`` is as ``glob`` says.

    On a mismatch only the last ``*`` takes in one character more: the ones before it never need
    to, because each took as little as it could.
    """
    at = in_text = 0
    star, resumed = -1, 0
    while in_text < len(text):
        if at < len(glob) and glob[at] == "*":
            star, resumed = at, in_text
            at += 1
        elif at < len(glob) and glob[at] in ("?", text[in_text]):
            at += 1
            in_text += 1
        elif star >= 0:
            resumed += 1
            at, in_text = star + 1, resumed
        else:
            return False
    return not glob[at:].strip("*")


def matches_any(globs: tuple[str, ...], text: str) -> bool:
    return any(matches(glob, text) for glob in globs)
