"""What faces translate to. Importing this needs no more than a server without HTTP has."""

from dataclasses import dataclass

from shortlist.server.inference.scheduler import Scheduler
from shortlist.server.inference.watchdog import Watchdog
from shortlist.server.observing.calls import Calls
from shortlist.server.rpc.health import Health
from shortlist.server.rpc.server import Servicers
from shortlist.server.search.pipeline import Pipeline
from shortlist.server.settings import Settings


@dataclass(frozen=True, slots=True)
class Served:
    """The parts of a running server that its faces use."""

    settings: Settings
    address: str  # gRPC's
    pipeline: Pipeline
    scheduler: Scheduler
    watchdog: Watchdog
    servicers: Servicers  # of shortlist.v1
    health: Health
    calls: Calls
