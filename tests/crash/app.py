"""The gateway that sandboxes load in place of the deployed function's."""

import os

from tests.crash.programs import dying_gateway

app = dying_gateway(os.environ)
