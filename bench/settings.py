"""What can be set about `shortlist bench`. Importing this module needs no extra."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from shortlist.console.options import UsageError
from shortlist.server.errors import check_range

from . import command
from .request_settings import RequestSettings, number

DEFAULT_CLIENTS = (1, 2, 4, 8)
_MOST_CLIENTS, _MOST_RATE = 1000, 100_000
_RANGES: dict[str, tuple[float, float]] = {
    "documents": (1, 10_000_000),
    "window_requests": (1, 1_000_000),
    "agreeing": (1, 100),
    "outstanding": (1, 100_000),
    "warm_up_s": (0, 3600),
    "window_s": (0.01, 3600),
    "tolerance": (0.001, 10),
}
_COLLECTION = "collection"
_MEASURING, _OWN = "measuring", "a server of its own"


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSettings(RequestSettings):
    """The settings of `shortlist bench`."""

    clients: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "closed loop: so many clients at once, each of which waits for its answer before it sends again;"
            " level after level (1,2,4,8 if neither clients nor rates are given)",
            "metavar": "N,N",
        },
    )
    rates: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "open loop: so many requests a second, at random times that do not wait for answers; latency"
            " counts from the time that a request was due, so a stall is not hidden",
            "metavar": "X,X",
        },
    )
    plot: Path | None = field(
        default=None, metadata={"help": "draw latency over load into this PNG", "metavar": "FILE.png"}
    )
    seed: int = field(default=0, metadata={"help": "decides the order of texts and the times of an open loop"})
    json: bool = field(default=False, metadata=command.JSON)

    collection: str | None = field(
        default=None,
        metadata={
            "help": "collection to search; without it one is made, filled, and dropped at the end. Nothing is ever"
            " written to yours: ingest has a collection of its own",
            "metavar": "NAME",
            "group": _COLLECTION,
        },
    )
    documents: int = field(
        default=1000, metadata={"help": "passages in the collection that is made", "group": _COLLECTION}
    )

    warm_up_s: float = field(
        default=3.0, metadata={"help": "seconds under load that do not count", "metavar": "S", "group": _MEASURING}
    )
    window_s: float = field(
        default=5.0, metadata={"help": "seconds of a window, at least", "metavar": "S", "group": _MEASURING}
    )
    window_requests: int = field(
        default=30,
        metadata={"help": "a window goes on, up to ten times as long, until it has so many", "group": _MEASURING},
    )
    agreeing: int = field(
        default=3,
        metadata={
            "help": "a level ends when so many windows in a row agree in throughput and median latency; the figures"
            " are theirs",
            "group": _MEASURING,
        },
    )
    tolerance: float = field(
        default=0.1, metadata={"help": "share by which agreeing windows may differ", "group": _MEASURING}
    )
    max_windows: int = field(
        default=10,
        metadata={"help": "windows after which a level ends, stable or not", "group": _MEASURING},
    )
    outstanding: int = field(
        default=1000,
        metadata={
            "help": "open loop: requests under way at most; a note counts those held back by it",
            "group": _MEASURING,
        },
    )

    embedder: Path | None = field(
        default=None,
        metadata={"help": "bundle; with it, and reranker, a server is started for the benchmark", "group": _OWN},
    )
    reranker: Path | None = field(default=None, metadata={"help": "bundle of the cross-encoder", "group": _OWN})
    serve_options: tuple[tuple[str, str], ...] = field(
        default=(),
        metadata={
            "help": "settings of that server, such as slots=1,reranker_variant=fp32",
            "metavar": "A=B,C=D",
            "group": _OWN,
        },
    )

    def __post_init__(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            UsageError, SettingsError: naming the setting, its value and the limit.
        """
        RequestSettings.__post_init__(self)  # a dataclass with slots is not the class that super() would look for
        if self.clients and self.rates:
            raise UsageError(
                f"clients is {_list(self.clients)} and rates is {_list(self.rates)}, but a loop is closed or open:"
                " give one of them"
            )
        self.client_levels()
        self.rate_levels()
        for name, (least, most) in _RANGES.items():
            check_range(name, getattr(self, name), least, most)
        check_range("max_windows", self.max_windows, self.agreeing, 10_000)
        self._check_own_server()
        if self.plot is not None:
            check_plot(self.plot)

    def client_levels(self) -> tuple[int, ...]:
        """Return the levels of a closed loop; none if the loop is open."""
        if not self.clients and not self.rates:
            return DEFAULT_CLIENTS
        return tuple(number("clients", text, int, _MOST_CLIENTS) for text in self.clients)

    def rate_levels(self) -> tuple[float, ...]:
        """Return the levels of an open loop; none if the loop is closed."""
        return tuple(number("rates", text, float, _MOST_RATE) for text in self.rates)

    @property
    def own_server(self) -> bool:
        """Whether a server is started for the benchmark."""
        return self.embedder is not None

    def _check_own_server(self) -> None:
        if (self.embedder is None) != (self.reranker is None):
            missing = "reranker" if self.reranker is None else "embedder"
            raise UsageError(f"{missing} is not set: a server of one's own needs both bundles")
        if self.serve_options and not self.own_server:
            raise UsageError("serve_options are for a server of one's own: give embedder and reranker too")
        if self.collection and self.own_server:
            raise UsageError(f"collection is {self.collection!r}, but a server of one's own has none: leave it out")


def check_plot(path: Path) -> None:
    """Refuse a plot that could not be written after the measuring.

    Raises:
        UsageError: naming what is wrong with it.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"plot is {path}, but it must end in .png")
    if not path.parent.is_dir():
        raise UsageError(f"plot is {path}, but there is no folder {path.parent}")


def _list(values: Iterable[str]) -> str:
    return ",".join(values)
