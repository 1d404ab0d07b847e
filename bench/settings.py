"""What can be set about `shortlist bench`. Importing this module needs no extra."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from shortlist.console.errors import UsageError
from shortlist.server.settings import within

from .request_settings import RequestSettings

DEFAULT_CLIENTS = (1, 2, 4, 8)
_MOST_CLIENTS = 1000
_RATE = Number(gt=0, lte=100_000)
_COLLECTION, _MEASURING = Parameter(group="Collection"), Parameter(group="Measuring")
_PLOTS = (".png", ".svg")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSettings(RequestSettings):
    """The settings of `shortlist bench`."""

    clients: Annotated[tuple[int, ...], Parameter(metavar="N,N"), within(1, _MOST_CLIENTS)] = ()
    """closed loop: so many clients at once, each of which waits for its answer before it sends again; level after
    level (1,2,4,8 if neither clients nor rates are given)"""
    rates: Annotated[tuple[float, ...], Parameter(metavar="X,X", validator=_RATE)] = ()
    """open loop: so many requests a second, at random times that do not wait for answers; latency counts from the
    time that a request was due, so a stall is not hidden"""
    plot: Annotated[Path | None, Parameter(metavar="FILE.png")] = None
    """draw latency over load into this PNG or SVG"""
    seed: int = 0
    """decides the order of texts and the times of an open loop"""
    json: bool = False
    """print the result as one JSON object, and tables on standard error"""

    collection: Annotated[str | None, Parameter(metavar="NAME"), _COLLECTION] = None
    """collection to search; without it one is made, filled, and dropped at the end. Nothing is ever written to
    yours: ingest has a collection of its own"""
    documents: Annotated[int, _COLLECTION, within(1, 10_000_000)] = 1000
    """passages in the collection that is made"""

    warm_up_s: Annotated[float, Parameter(metavar="S"), _MEASURING, within(0, 3600)] = 3.0
    """seconds under load that do not count"""
    window_s: Annotated[float, Parameter(metavar="S"), _MEASURING, within(0.01, 3600)] = 5.0
    """seconds of a window, at least"""
    window_requests: Annotated[int, _MEASURING, within(1, 1_000_000)] = 30
    """a window goes on, up to ten times as long, until it has so many"""
    agreeing: Annotated[int, _MEASURING, within(1, 100)] = 3
    """a level ends when so many windows in a row agree in throughput and median latency; the figures are theirs"""
    tolerance: Annotated[float, _MEASURING, within(0.001, 10)] = 0.1
    """share by which agreeing windows may differ"""
    max_windows: Annotated[int, _MEASURING, within(1, 10_000)] = 10
    """windows after which a level ends, stable or not"""
    outstanding: Annotated[int, _MEASURING, within(1, 100_000)] = 1000
    """open loop: requests under way at most; a note counts those held back by it"""

    def __post_init__(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            UsageError, SettingsError: naming the setting, its value and the limit.
        """
        RequestSettings.__post_init__(self)  # a dataclass with slots is not the class that super() would look for
        if self.clients and self.rates:
            raise UsageError(
                f"clients is {self.clients} and rates is {self.rates}, but a loop is closed or open: give one of them"
            )
        if self.max_windows < self.agreeing:
            raise UsageError(f"max_windows is {self.max_windows}, but agreeing is {self.agreeing}: lower that")
        self.check_collection(self.collection)
        if self.plot is not None:
            check_plot(self.plot)

    def client_levels(self) -> tuple[int, ...]:
        """Return the levels of a closed loop; none if the loop is open."""
        if not self.clients and not self.rates:
            return DEFAULT_CLIENTS
        return self.clients


def check_plot(path: Path) -> None:
    """Refuse a plot that could not be written after the measuring.

    Raises:
        UsageError: naming what is wrong with it.
    """
    if path.suffix.lower() not in _PLOTS:
        raise UsageError(f"plot is {path}, but it must end in {' or '.join(_PLOTS)}")
    if not path.parent.is_dir():
        raise UsageError(f"plot is {path}, but there is no folder {path.parent}")
