"""What can be set about a measurement of growth: one definition for flag, environment variable and TOML key."""

from dataclasses import dataclass, field
from pathlib import Path

from shortlist.bench import command
from shortlist.bench.measuring import Plan
from shortlist.bench.studies.settings import Bundles
from shortlist.console.options import UsageError
from shortlist.server.errors import check_range

AXES = ("documents", "clients", "tokens")
_LEVELS, _MEASURING = "levels", "measuring"
_MOST = {"documents": 100_000_000, "clients": 1000, "tokens": 100_000}
_RANGES: dict[str, tuple[float, float]] = {
    "held": (1, 100_000_000),
    "passages": (1, 1000),
    "recall_queries": (1, 100_000),
    "warm_up_s": (0, 3600),
    "window_s": (0.01, 3600),
    "window_requests": (1, 1_000_000),
    "agreeing": (1, 100),
    "max_windows": (1, 10_000),
    "timeout_s": (0.001, 86_400),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthSettings(Bundles):
    """The settings of one measurement."""

    collection_folder: Path = field(
        metadata={"help": "folder with corpus.jsonl and queries.jsonl (BEIR): what is real of texts and vectors"}
    )
    json: bool = field(default=False, metadata=command.JSON)
    axes: tuple[str, ...] = field(
        default=AXES, metadata={"help": "what grows: one or several of them", "metavar": "NAME,NAME"}
    )
    results: Path | None = field(
        default=None,
        metadata={
            "help": "file that keeps what was measured: levels that it has are not measured again, and plot and"
            " result are of all in it",
            "metavar": "FILE.json",
        },
    )
    plot: Path | None = field(
        default=None, metadata={"help": "draw a panel an axis into this PNG", "metavar": "FILE.png"}
    )
    data: Path | None = field(
        default=None,
        metadata={"help": "folder to keep the filled collections in, for another time; else they are removed"},
    )

    documents: tuple[str, ...] = field(
        default=("1000", "10000", "100000", "1000000"),
        metadata={"help": "documents in a collection", "metavar": "N,N", "group": _LEVELS},
    )
    clients: tuple[str, ...] = field(
        default=("1", "2", "4", "8", "16", "32", "64", "128", "256"),
        metadata={"help": "clients at once", "metavar": "N,N", "group": _LEVELS},
    )
    tokens: tuple[str, ...] = field(
        default=("32", "64", "128", "256", "512"),
        metadata={"help": "tokens of a passage, special ones not counted", "metavar": "N,N", "group": _LEVELS},
    )
    held: int = field(
        default=10_000, metadata={"help": "documents that are searched where clients grow", "group": _LEVELS}
    )

    passages: int = field(
        default=50,
        metadata={"help": "passages of a rerank, and candidates of a two-stage search", "group": _MEASURING},
    )
    recall_queries: int = field(
        default=200, metadata={"help": "queries that recall@10 is taken over", "group": _MEASURING}
    )
    warm_up_s: float = field(default=2.0, metadata={"help": "seconds that do not count", "group": _MEASURING})
    window_s: float = field(default=2.0, metadata={"help": "seconds of a window, at least", "group": _MEASURING})
    window_requests: int = field(
        default=20,
        metadata={"help": "a window goes on, up to ten times as long, until it has so many", "group": _MEASURING},
    )
    agreeing: int = field(
        default=3, metadata={"help": "windows in a row that must agree within a tenth", "group": _MEASURING}
    )
    max_windows: int = field(
        default=12, metadata={"help": "windows after which a level ends, stable or not", "group": _MEASURING}
    )
    timeout_s: float = field(default=30.0, metadata={"help": "deadline of a request", "group": _MEASURING})
    seed: int = field(default=0, metadata={"help": "decides the order of texts", "group": _MEASURING})

    def __post_init__(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            UsageError, SettingsError: naming the setting, its value and the limit.
        """
        if unknown := [one for one in self.axes if one not in AXES]:
            raise UsageError(f"axes has {unknown[0]!r}, but there are {', '.join(AXES)}")
        for name in AXES:
            self.levels(name)
        for name, (least, most) in _RANGES.items():
            check_range(name, getattr(self, name), least, most)
        if self.plot and self.plot.suffix.lower() != ".png":
            raise UsageError(f"plot is {self.plot}, but it must end in .png")
        for path in (self.plot, self.results):
            if path and not path.parent.is_dir():
                raise UsageError(f"{path} cannot be written: there is no folder {path.parent}")

    def levels(self, axis: str) -> tuple[int, ...]:
        """Return the levels of an axis, ascending.

        Raises:
            UsageError: one of them is no number in its limits.
        """
        given = getattr(self, axis)
        for text in given:
            if not (text.isascii() and text.isdigit() and 0 < int(text) <= _MOST[axis]):
                raise UsageError(f"{axis}: {text!r} is not a whole number above 0 and up to {_MOST[axis]:,}")
        return tuple(sorted({int(text) for text in given}))

    @property
    def plan(self) -> Plan:
        """How long a level is measured."""
        return Plan(
            warm_up_s=self.warm_up_s,
            window_s=self.window_s,
            window_requests=self.window_requests,
            agreeing=self.agreeing,
            most_windows=self.max_windows,
        )
