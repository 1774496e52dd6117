"""Door of certifi: whose certificates are believed on the way out."""

import ssl
from typing import final


def verifying() -> ssl.SSLContext:
    """Trust certifi's authorities, or instead those that SSL_CERT_FILE or SSL_CERT_DIR name.

    Those two are OpenSSL's own variables; Python's ``ssl`` has read them already.
    """
    paths = ssl.get_default_verify_paths()
    file = paths.cafile if paths.cafile != paths.openssl_cafile else None
    directory = paths.capath if paths.capath != paths.openssl_capath else None
    if file is None and directory is None:
        import certifi  # noqa: PLC0415 - a start does not need it, and it is slow to import

        file = certifi.where()
    context = ssl.create_default_context(cafile=file, capath=directory)
    context.set_alpn_protocols(["http/1.1"])
    return context


@final
class Trust:
    """What encrypts the connections of a process, made for the first one: it takes 20 ms."""

    def __init__(self) -> None:
        self._made: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        if self._made is None:
            self._made = verifying()
        return self._made
