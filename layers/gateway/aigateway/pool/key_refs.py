"""References to keys that an operator keeps in secrets of his own: ``api_key_refs`` of a row."""

import hashlib
import re

from aigateway.errors import RowInvalid

ARN = re.compile(
    r"arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]{1,519}"
)
"""ARN of a secret (Secrets Manager user guide, "ARN format", read 2026-07)."""


def arns_from(value: object) -> tuple[str, ...]:
    """Read the ARNs in ``api_key_refs``. Raises ``RowInvalid``."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise RowInvalid("api_key_refs: expected a list")
    if not all(isinstance(arn, str) and ARN.fullmatch(arn) for arn in value):
        raise RowInvalid("api_key_refs: expected ARNs of secrets in AWS Secrets Manager")
    if len(set(value)) != len(value):
        raise RowInvalid("api_key_refs: a secret is given twice")
    return tuple(value)


def key_id_of_arn(arn: str) -> str:
    """Return the id by which a key is told from others, as short as the id of a key of ours."""
    return hashlib.sha256(arn.encode()).hexdigest()[:12]
