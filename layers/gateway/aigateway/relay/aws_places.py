"""Where AWS's services are asked without its SDK: only where that would ask the same place.

Variables and files can send the SDK elsewhere, or give it other keys. The ones that mean nothing
to a request are known here by name; any other one leaves the service to the SDK.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

from aigateway.pool.base_url import BaseUrl
from aigateway.wire.sigv4 import AwsCredentials

HARMLESS = frozenset(
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    }
)
HARMLESS_FORM = re.compile(r"AWS_(?:LAMBDA|XRAY|ENDPOINT_URL(?:$|_))")
"""What Lambda sets for its own (Lambda guide, "Defined runtime environment variables"), and the
places of other services."""

VARIABLES: Mapping[str, str] = {
    "dynamodb": "AWS_ENDPOINT_URL_DYNAMODB",
    "secretsmanager": "AWS_ENDPOINT_URL_SECRETS_MANAGER",
}

OF_TLS = frozenset({"AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE"})
ELSEWHERE = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "PYNAMODB_CONFIG"})
REGION = re.compile(r"(?:us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-[0-9]{1,2}")
"""Regions whose services are called ``<service>.<region>.amazonaws.com`` (botocore,
``partitions.json``, the partition ``aws``)."""


@final
@dataclass(frozen=True, slots=True)
class AwsPlace:
    """``url`` has no path; ``region`` is signed."""

    url: BaseUrl
    region: str


def place_of(service: str, environment: Mapping[str, str]) -> AwsPlace | None:
    """Return where the SDK would ask a service, or nothing where only it knows that.

    ``service`` is its name in the address: ``dynamodb``, ``secretsmanager``. The SDK reads files,
    too, where there is a folder ``.aws`` at home.
    """
    region = environment.get("AWS_DEFAULT_REGION", "")
    if REGION.fullmatch(region) is None or credentials_in(environment) is None:
        return None
    given = environment.get(VARIABLES[service], environment.get("AWS_ENDPOINT_URL"))
    url = _url(f"https://{service}.{region}.amazonaws.com" if given is None else given)
    if url is None or _is_special(environment, url.scheme):
        return None
    return None if _has_files(environment) else AwsPlace(url, region)


def credentials_in(environment: Mapping[str, str]) -> AwsCredentials | None:
    """Return the credentials in an environment, which Lambda gives a function with it."""
    access_key = environment.get("AWS_ACCESS_KEY_ID", "")
    secret_key = environment.get("AWS_SECRET_ACCESS_KEY", "")
    token = environment.get("AWS_SESSION_TOKEN") or None
    sent = access_key + (token or "")
    if not access_key or not secret_key or not (sent.isascii() and sent.isprintable()):
        return None
    return AwsCredentials(access_key, secret_key, token)


def _is_special(environment: Mapping[str, str], scheme: str) -> bool:
    """Tell whether a variable may change what the SDK does."""
    return any(
        name.upper() in ELSEWHERE
        or (name in OF_TLS and scheme == "https")
        or (name.startswith("AWS_") and not _is_harmless(name))
        for name in environment
    )


def _has_files(environment: Mapping[str, str]) -> bool:
    """Tell whether there are files for the SDK; where nobody can look, it cannot either."""
    try:
        home = Path(environment["HOME"]) if "HOME" in environment else Path.home()
        return (home / ".aws").exists()
    except (OSError, RuntimeError):
        return False


def _is_harmless(name: str) -> bool:
    return name in HARMLESS or name in OF_TLS or HARMLESS_FORM.match(name) is not None


def _url(text: str) -> BaseUrl | None:
    """Read an origin: scheme, host, and maybe a port; nothing for anything more."""
    found = re.fullmatch(r"(https?)://([a-z0-9.-]+)(?::([0-9]{1,5}))?/?", text)
    if found is None or int(found[3] or 1) not in range(1, 65_536):
        return None
    scheme: Literal["http", "https"] = "https" if found[1] == "https" else "http"
    return BaseUrl(scheme, found[2], int(found[3] or {"http": 80, "https": 443}[scheme]), "")
