"""The base URL of a provider: what stands in front of every target, and where it may lie."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal, final
from urllib.parse import urlsplit

from aigateway.addresses import Network, literal_of, may_be_dialled
from aigateway.errors import RowInvalid


@final
@dataclass(frozen=True, slots=True)
class BaseUrl:
    """``path`` is what stands in front of every target: no slash at its end."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> bytes:
        """The authority as the Host header wants it: a default port is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"http": 80, "https": 443}[self.scheme]
        return (host if self.port == usual else f"{host}:{self.port}").encode()


def base_url_from(text: str, allowed: tuple[Network, ...]) -> BaseUrl:
    """Read a base URL. Raises ``RowInvalid``.

    Plain http only to loopback, and only where loopback is ``allowed``. A host given as an
    address is checked here; a name is checked when it is dialled.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise RowInvalid("base_url: expected an absolute https URL") from None
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host or not _is_visible(text):
        raise RowInvalid("base_url: expected an absolute https URL")
    if "[" in parts.netloc and ":" not in host:
        raise RowInvalid("base_url: only an IPv6 address stands in brackets")
    if parts.username is not None or parts.query or parts.fragment:
        raise RowInvalid("base_url: no user, query or fragment is allowed")
    try:
        literal = literal_of(host)
    except ValueError:
        raise RowInvalid("base_url: expected a name, or an address in its usual form") from None
    if literal is not None and not may_be_dialled(literal, allowed):
        raise RowInvalid("base_url: the address is private, link-local or reserved")
    if parts.scheme == "http" and not _is_loopback(host, literal, allowed):
        raise RowInvalid("base_url: plain http is only for loopback addresses")
    scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
    usual = 443 if scheme == "https" else 80
    return BaseUrl(scheme, host, port or usual, parts.path.rstrip("/"))


def _is_loopback(host: str, literal: str | None, allowed: tuple[Network, ...]) -> bool:
    """Whether a host is on this machine, where that is allowed; of names only one is."""
    if host == "localhost":
        return any(may_be_dialled(address, allowed) for address in ("127.0.0.1", "::1"))
    return literal is not None and ip_address(literal).is_loopback


def _is_visible(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text
