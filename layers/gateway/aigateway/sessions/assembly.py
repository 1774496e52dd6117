"""What the control plane is made of: the only place that knows all of its calls."""

from aigateway.clock import Clock
from aigateway.ledger.store import Store
from aigateway.outbound import Resolve, addresses_of
from aigateway.pool.secrets import WritableSecrets, open_secrets
from aigateway.sessions.access import AccessEndpoints
from aigateway.sessions.api import SessionsHandler, handler_for
from aigateway.sessions.callers import Callers
from aigateway.sessions.configuring_parts import configuring_of
from aigateway.sessions.erasing import ErasingEndpoints
from aigateway.sessions.kick import Kick, kick_of
from aigateway.sessions.metrics import Metrics
from aigateway.sessions.people import PeopleEndpoints
from aigateway.sessions.providers import Providers
from aigateway.sessions.trial import Trial
from aigateway.settings import Settings


def build(
    settings: Settings,
    store: Store,
    clock: Clock,
    *,
    secrets: WritableSecrets | None = None,
    kick: Kick | None = None,
    resolve: Resolve = addresses_of,
) -> SessionsHandler:
    """Return the function behind the REST API; call its ``start`` first.

    ``kick`` reloads the pool at once.
    """
    kept = secrets or open_secrets(settings, clock)
    callers = Callers(store, clock)
    kick = kick or kick_of(settings)
    configuring = configuring_of(settings, store, kept, clock, kick, resolve)
    families = (
        Providers(callers, configuring, Trial(kept, settings)),
        PeopleEndpoints(store, clock),
        ErasingEndpoints(callers, store, clock),
        AccessEndpoints(callers, store, clock, kick),
    )
    serves_metrics = "endpoint" in settings.metric_sinks
    return handler_for(
        store,
        clock,
        own_sessions_visible=settings.own_sessions_visible,
        configuring={path: calls for one in families for path, calls in one.routes().items()},
        takes_signatures="iam" in settings.auth_modes,
        rooted=Metrics(callers, store).routes() if serves_metrics else {},
    )
