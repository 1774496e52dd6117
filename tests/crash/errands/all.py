"""Which job is played how."""

from tests.crash.errands.bringing import Bringing
from tests.crash.errands.erasing import Erasing
from tests.crash.errands.errand import Errand, Play
from tests.crash.errands.importing import Importing
from tests.crash.errands.publishing import Publishing
from tests.crash.errands.reloading import MakingTheFirstKey, Reloading, Seeding
from tests.crash.errands.sweeping import Sweeping
from tests.crash.point import Process


async def errand_of(process: Process, play: Play) -> Errand:
    """Return the errand of a job; some have a ledger of their own."""
    match process:
        case "sweep":
            return Sweeping(play)
        case "bring home":
            return Bringing(play)
        case "reload":
            return Reloading(play)
        case "publish":
            return Publishing(play)
        case "erase":
            return Erasing(play)
        case "import":
            return Importing(play, await play.bare())
        case "first key":
            return MakingTheFirstKey(await play.bare())
        case "seed":
            return Seeding(await play.bare())
        case "gateway":
            raise LookupError("a gateway runs no errand")
