"""Every span that there is: name, parent, kind. Data, no logic.

The names are those of the reference product (coder/coder, monitoring page), so that what was built
on its traces finds the same. The last four belong to the injection of tools.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

Kind = Literal["internal", "server", "client"]


@final
@dataclass(frozen=True, slots=True)
class Named:
    """``parent`` is ``None`` for the root; ``CachedBridgePool.Acquire`` is found below either."""

    name: str
    parent: str | None
    covers: str
    kind: Kind = "internal"


SPANS = (
    Named("Intercept", None, "A whole recorded request.", "server"),
    Named("Passthrough", None, "A whole request that is relayed without a record.", "server"),
    Named("CachedBridgePool.Acquire", "Intercept", "Finding caller, rights and provider."),
    Named("Intercept.CreateInterceptor", "Intercept", "Reading the body, making the request."),
    Named("Intercept.ProcessRequest", "Intercept", "Relaying, all attempts together."),
    Named(
        "Intercept.ProcessRequest.Upstream",
        "Intercept.ProcessRequest",
        "One attempt at the provider, until the last byte of its answer.",
        "client",
    ),
    Named("Intercept.RecordInterception", "Intercept", "The opening write."),
    Named("Intercept.RecordPromptUsage", "Intercept", "The prompt's share of it."),
    Named("Intercept.RecordTokenUsage", "Intercept", "A usage's share of the closing write."),
    Named("Intercept.RecordToolUsage", "Intercept", "A tool call's share of it."),
    Named("Intercept.RecordModelThought", "Intercept", "A thought's share of it."),
    Named("Intercept.RecordInterceptionEnded", "Intercept", "The closing write."),
    Named(
        "Intercept.ProcessRequest.ToolCall",
        "Intercept.ProcessRequest",
        "One execution of an injected tool.",
    ),
    Named("ServerProxyManager.Init", "CachedBridgePool.Acquire", "Connecting all tool servers."),
    Named(
        "StreamableHTTPServerProxy.Init",
        "ServerProxyManager.Init",
        "Connecting one tool server.",
        "client",
    ),
    Named(
        "StreamableHTTPServerProxy.Init.fetchTools",
        "StreamableHTTPServerProxy.Init",
        "Listing its tools.",
        "client",
    ),
)

BY_NAME: Mapping[str, Named] = {each.name: each for each in SPANS}
