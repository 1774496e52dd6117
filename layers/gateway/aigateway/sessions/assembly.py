"""What the control plane is made of: the only place that knows all of its calls."""

from aigateway.clock import Clock
from aigateway.ledger.store import Store
from aigateway.sessions.access import AccessEndpoints
from aigateway.sessions.api import SessionsHandler, handler_for
from aigateway.sessions.callers import Callers
from aigateway.sessions.calls import Routes
from aigateway.settings import Settings


def build(settings: Settings, store: Store, clock: Clock) -> SessionsHandler:
    """Return the function behind the REST API; call its ``start`` first."""
    access = AccessEndpoints(Callers(store, clock), store, clock)
    configuring: Routes = {**access.routes()}
    return handler_for(
        store,
        clock,
        own_sessions_visible=settings.own_sessions_visible,
        configuring=configuring,
    )
