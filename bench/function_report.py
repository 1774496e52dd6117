"""The figures of the function as people read them."""

from bench.functions import Functions

COLD_LIMIT_MS = 400.0
OWN_LIMIT_MS = 3.0
SANDBOX_LIMIT_MIB = 90.0

Row = tuple[str, float, str]


def lines(found: Functions) -> list[str]:
    """Return the figures with their units."""
    cold = (
        f"cold start over {store}: {each.cpu_ms:.0f} ms of CPU ({each.wall_ms:.0f} ms) to the "
        f"first next, {each.resident_mib:.1f} MiB"
        for store, each in (("nothing", found.nothing), *found.cold.items())
    )
    warm = (
        f"sandbox over {store}: {each.own_ms:.2f} ms until the request to the provider leaves, "
        f"{each.first_ms:.0f} ms in the first one, {each.resident_mib:.1f} MiB"
        for store, each in found.warm.items()
    )
    counted = (
        f"modules imported over {store}: {modules.total()}; "
        + ", ".join(f"{name} {count}" for name, count in modules.most_common())
        for store, modules in found.modules.items()
    )
    added = (
        f"added to the first byte: Function URL {found.url_ms:.2f} ms, uvicorn "
        f"{found.uvicorn_ms:.2f} ms ({found.url_ms / found.uvicorn_ms:.2f} times)"
    )
    return [*cold, *warm, *counted, added]


def rows(found: Functions) -> list[Row]:
    """Return the ratios to what they should be."""
    return [
        *(
            (f"CPU of a cold start over {store} / 400 ms", each.cpu_ms / COLD_LIMIT_MS, "≤ 1")
            for store, each in found.cold.items()
        ),
        (
            "CPU of a cold start of a function without imports / 400 ms",
            found.nothing.cpu_ms / COLD_LIMIT_MS,
            "",
        ),
        *(
            (
                f"memory of a sandbox over {store} / 90 MiB",
                each.resident_mib / SANDBOX_LIMIT_MIB,
                "≤ 1",
            )
            for store, each in found.warm.items()
        ),
        *(
            (
                f"own time before the request to the provider leaves, over {store} / 3 ms",
                each.own_ms / OWN_LIMIT_MS,
                "< 1",
            )
            for store, each in found.warm.items()
        ),
        (
            "added to the first byte, local Function URL / uvicorn",
            found.url_ms / found.uvicorn_ms,
            "≤ 2",
        ),
    ]


def modules_table(found: Functions) -> str:
    """Return how many modules the function's import loads, beyond the interpreter's own."""
    stores = list(found.modules)
    names = sorted({name for modules in found.modules.values() for name in modules})
    head = f"| package | {' | '.join(stores)} |\n|---|{'---|' * len(stores)}"
    cells = (
        f"| {name} | {' | '.join(str(found.modules[store][name]) for store in stores)} |"
        for name in names
    )
    total = f"| all | {' | '.join(str(found.modules[store].total()) for store in stores)} |"
    return "\n".join([head, *cells, total])
