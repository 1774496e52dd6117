"""Tells a provider who asks, where the operator wants that."""

import re
from typing import final

from aigateway.caller.identity import Caller
from aigateway.header_names import folded
from aigateway.settings import Settings
from aigateway.wire.messages import Headers

VALUE = re.compile(r"[!-~]{1,256}")
"""What a header's value may be without a doubt (RFC 9110 section 5.5): no blank, no line end."""


@final
class Actor:
    """Headers about the account behind a request; what a client sends of them never counts.

    ``names`` are those of these headers, folded: to be removed also where nothing is sent.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.names = frozenset(folded(name.encode()) for name in settings.actor_headers)

    def headers(self, caller: Caller) -> Headers:
        """Return the headers about ``caller``; an attribute that fits no header is left out."""
        if not self._settings.send_actor_headers:
            return ()
        told = (
            (self._settings.actor_header_id, caller.initiator_id),
            (self._settings.actor_header_username, caller.username),
            (self._settings.actor_header_email, caller.email),
        )
        return tuple(
            (name.encode(), value.encode())
            for name, value in told
            if name and value and VALUE.fullmatch(value)
        )
