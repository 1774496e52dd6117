"""What a user left in files of this machine beside the ledger, forgotten."""

import json
from pathlib import Path

from aigateway.ledger.spill_file import NAME, SpillFile
from local.record_file import RECORDS, forget


def forget_lines(state_dir: Path, user_id: str) -> int:
    """Take a user's lines away: records that wait to be stored, and lines of records.

    Returns how many there were. Raises ``OSError``.
    """
    word = f'"initiator_id":{json.dumps(user_id)}'.encode()
    return SpillFile(state_dir / NAME).forget(word) + forget(state_dir / RECORDS, word)
