"""Requests to Amazon Bedrock: signed on their way out, answers translated on their way back.

Stands around a transport. What only Bedrock needs is imported with the first request to it.
"""

from collections.abc import Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

from aigateway.clock import Clock
from aigateway.pool.bedrock import BedrockSettings
from aigateway.pool.secrets import Secrets
from aigateway.relay.upstream import Answer, Upstream, UpstreamRequest
from aigateway.wire.messages import RequestHead

if TYPE_CHECKING:
    from aigateway.relay.aws_sessions import AwsSessions

FORBIDDEN = 403
EXPIRED = "ExpiredTokenException"


@final
class BedrockUpstream:
    """Everything that does not go to Bedrock passes to the transport as it is.

    Raises ``CredentialsUnavailable`` beside what the transport raises.
    """

    def __init__(
        self,
        transport: Upstream,
        secrets: Secrets,
        clock: Clock,
        sessions: "AwsSessions | None" = None,
    ) -> None:
        self._transport = transport
        self._secrets = secrets
        self._clock = clock
        self._made = sessions

    def send(self, request: UpstreamRequest) -> Coroutine[Any, Any, Answer]:
        settings = request.provider.bedrock
        if settings is None:
            return self._transport.send(request)
        return self._send(request, settings)

    async def _send(self, request: UpstreamRequest, settings: BedrockSettings) -> Answer:
        from aigateway.relay.bedrock_answer import (  # noqa: PLC0415 - only those pay who use it
            kind_of_error,
            translated,
        )

        if request.session_name is None:
            answer = await self._transport.send(request)
        else:
            signed = await self._signed(request, settings, request.session_name)
            answer = await self._transport.send(signed)
            if answer.head.status == FORBIDDEN and kind_of_error(answer.head) == EXPIRED:
                answer = self._expired(answer, request.provider.name, request.session_name)
        return translated(answer) if settings.translates else answer

    def _expired(self, answer: Answer, provider: str, session_name: str) -> Answer:
        """Give up the session; the vendors' SDKs then try again, which makes a new one."""
        if not self._sessions.forget(provider, session_name):
            return answer
        headers = (*answer.head.headers, (b"x-should-retry", b"true"))
        return Answer(replace(answer.head, headers=headers), answer.chunks)

    async def _signed(
        self, request: UpstreamRequest, settings: BedrockSettings, session_name: str
    ) -> UpstreamRequest:
        from aigateway.wire.sigv4 import SigningScope, signature_headers  # noqa: PLC0415 - likewise

        credentials = await self._sessions.credentials(request.provider, settings, session_name)
        signature = signature_headers(
            RequestHead(request.method, request.target, request.headers),
            request.body,
            host=request.provider.base_url.host_header,
            credentials=credentials,
            scope=SigningScope(settings.region, settings.service),
            at=self._clock.now(),
        )
        return replace(request, headers=(*request.headers, *signature))

    @property
    def _sessions(self) -> "AwsSessions":
        if self._made is None:
            from aigateway.relay.aws_sessions import Account, AwsSessions  # noqa: PLC0415 - likewise

            self._made = AwsSessions(self._secrets, self._clock, Account())
        return self._made

    async def aclose(self) -> None:
        await self._transport.aclose()
