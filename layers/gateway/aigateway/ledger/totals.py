"""What the counters of ended interceptions tell besides their sums."""

from collections.abc import Iterable, Mapping, Sequence

from aigateway.ledger.listing import NameKind
from aigateway.steps import CLOSED, CLOSED_LABELS

__all__ = ["CLOSED", "names_in"]

LABELS: Mapping[NameKind, int] = {
    "models": CLOSED_LABELS.index("model"),
    "clients": CLOSED_LABELS.index("client"),
    "providers": CLOSED_LABELS.index("provider_name"),
}
INITIATOR = CLOSED_LABELS.index("initiator_id")


def names_in(
    keys: Iterable[Sequence[str]], initiator_id: str | None
) -> Mapping[NameKind, frozenset[str]]:
    """Return the names in the counters' keys, those of one initiator or of all."""
    seen = [key for key in keys if initiator_id in (None, key[INITIATOR])]
    return {kind: frozenset(key[place] for key in seen) for kind, place in LABELS.items()}
