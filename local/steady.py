"""How a process that serves many streams keeps collections from holding up all of them."""

import gc


def steady() -> None:
    """Settle what was loaded: later collections look at what came since, and take half as long.

    All streams wait for a full one, which went through everything that was ever imported: 30 to
    60 ms.
    """
    gc.collect()
    gc.freeze()
