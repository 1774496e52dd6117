"""The door of boto3: clients with our time-outs, and no retries that nobody asked for.

Region, endpoint and keys are the SDK's to find: ``AWS_DEFAULT_REGION``, ``AWS_ENDPOINT_URL`` or
``AWS_ENDPOINT_URL_<SERVICE>``, and its chain of credentials.
"""

import logging
from typing import Any

CONNECT_SECONDS, READ_SECONDS = 1.0, 2.0


Keys = tuple[str, str, str | None]
"""Access key, its secret, and the token of keys that expire."""


def client(
    service: str,
    *,
    attempts: int = 1,
    read_seconds: float = READ_SECONDS,
    region: str | None = None,
    keys: Keys | None = None,
) -> Any:  # noqa: ANN401 - boto3 makes its clients' classes at run time
    """Return a client of an AWS service. It may be shared by threads; making one takes 0.3 s."""
    import boto3  # noqa: PLC0415 - 0.3 s that only those pay who need a client
    from botocore.config import Config  # noqa: PLC0415 - likewise

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"total_max_attempts": attempts, "mode": "standard"},
    )
    _quiet()
    access_key, secret_key, token = keys or (None, None, None)
    session: Any = boto3.session.Session(access_key, secret_key, token, region)
    return session.client(service, config=config)


def own_credentials() -> Any:  # noqa: ANN401 - botocore ships no types
    """Return what the SDK's chain of credentials finds, ``None`` for nothing.

    Its ``get_frozen_credentials`` renews them before they expire; both may block, and raise
    botocore's errors.
    """
    import botocore.session  # noqa: PLC0415 - likewise

    _quiet()
    return botocore.session.get_session().get_credentials()


def _quiet() -> None:
    """At DEBUG the SDK logs requests and answers as they are, and with them secrets."""
    logging.getLogger("botocore").setLevel(logging.WARNING)
