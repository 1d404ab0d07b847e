"""What can be set about `shortlist bench`. Importing this module needs no extra."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from shortlist.console.command import Connection
from shortlist.console.options import UsageError
from shortlist.server.errors import check_range

from . import command
from .kinds import KINDS, Name

LoadName = Literal["rerank", "embed", "dense", "search", "ingest", "mixed"]

_Number = TypeVar("_Number", int, float)

DEFAULT_CLIENTS = (1, 2, 4, 8)
DEFAULT_MIX: dict[Name, int] = {"search": 4, "dense": 2, "embed": 2, "rerank": 1, "ingest": 1}
_MOST_CLIENTS, _MOST_RATE, _MOST_BATCH = 1000, 100_000, 1000
_RANGES: dict[str, tuple[float, float]] = {
    "passages": (1, _MOST_BATCH),
    "texts": (1, _MOST_BATCH),
    "batch": (1, _MOST_BATCH),
    "top_k": (1, _MOST_BATCH),
    "documents": (1, 10_000_000),
    "window_requests": (1, 1_000_000),
    "agreeing": (1, 100),
    "outstanding": (1, 100_000),
    "warm_up_s": (0, 3600),
    "window_s": (0.01, 3600),
    "tolerance": (0.001, 10),
}
_REQUESTS, _TEXTS, _COLLECTION = "requests", "texts", "collection"
_MEASURING, _OWN = "measuring", "a server of its own"


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSettings(Connection):
    """The settings of `shortlist bench`."""

    load: LoadName = field(
        default="rerank",
        metadata={
            "help": "what requests are: rerank passages; embed texts; dense, a search without stage two; search, both"
            " stages; ingest passages; mixed, all of them at once"
        },
    )
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

    passages: int = field(
        default=50, metadata={"help": "passages that a rerank, or stage two of a search, reads", "group": _REQUESTS}
    )
    top_k: int = field(default=10, metadata={"help": "hits of a search", "group": _REQUESTS})
    include_text: bool = field(default=True, metadata={"help": "hits carry their text", "group": _REQUESTS})
    texts: int = field(default=1, metadata={"help": "texts of an embed", "group": _REQUESTS})
    text_kind: Literal["query", "document"] = field(
        default="query", metadata={"help": "what the texts of an embed are", "group": _REQUESTS}
    )
    batch: int = field(default=32, metadata={"help": "passages of an ingest", "group": _REQUESTS})
    deadline_ms: float | None = field(
        default=None,
        metadata={
            "help": "deadline of a request; shows the share of requests answered within it. Without it, timeout-s",
            "group": _REQUESTS,
        },
    )
    mix: tuple[tuple[str, str], ...] = field(
        default=(),
        metadata={
            "help": "of a mixed load, how many requests of each kind there are"
            f" ({','.join(f'{name}={share}' for name, share in DEFAULT_MIX.items())} if not given)",
            "metavar": "KIND=N,KIND=N",
            "group": _REQUESTS,
        },
    )

    candidates: Path | None = field(
        default=None,
        metadata={
            "help": "queries with passages of their own: a JSON array of {query, hits: [{content}]}, as TREC DL"
            " baselines publish them",
            "metavar": "FILE",
            "group": _TEXTS,
        },
    )
    collection_folder: Path | None = field(
        default=None,
        metadata={"help": "folder with corpus.jsonl and queries.jsonl (BEIR)", "metavar": "FOLDER", "group": _TEXTS},
    )
    corpus: Path | None = field(
        default=None,
        metadata={"help": "documents, as JSON lines for `shortlist index`", "metavar": "FILE", "group": _TEXTS},
    )
    queries: Path | None = field(
        default=None,
        metadata={"help": "queries, one {_id, text} a line (BEIR)", "metavar": "FILE", "group": _TEXTS},
    )

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
        Connection.__post_init__(self)  # a dataclass with slots is not the class that super() would look for
        if self.clients and self.rates:
            raise UsageError(
                f"clients is {_list(self.clients)} and rates is {_list(self.rates)}, but a loop is closed or open:"
                " give one of them"
            )
        self.client_levels()
        self.rate_levels()
        self.shares()
        for name, (least, most) in _RANGES.items():
            check_range(name, getattr(self, name), least, most)
        check_range("max_windows", self.max_windows, self.agreeing, 10_000)
        if self.deadline_ms is not None:
            check_range("deadline_ms", self.deadline_ms, 0.1, 3_600_000)
        if self.top_k > self.passages and "search" in self.shares():
            raise UsageError(f"top_k is {self.top_k}, but a search returns its {self.passages} passages at most")
        self._check_own_server()
        if self.plot is not None:
            check_plot(self.plot)

    def client_levels(self) -> tuple[int, ...]:
        """Return the levels of a closed loop; none if the loop is open."""
        if not self.clients and not self.rates:
            return DEFAULT_CLIENTS
        return tuple(_number("clients", text, int, _MOST_CLIENTS) for text in self.clients)

    def rate_levels(self) -> tuple[float, ...]:
        """Return the levels of an open loop; none if the loop is closed."""
        return tuple(_number("rates", text, float, _MOST_RATE) for text in self.rates)

    def shares(self) -> dict[Name, int]:
        """Return how many requests of each kind there are; one kind unless the load is mixed."""
        if self.load != "mixed":
            if self.mix:
                raise UsageError(f"mix is given, but load is {self.load}: give --load mixed, or leave mix out")
            return {self.load: 1}
        given = dict(self.mix)
        if unknown := given.keys() - KINDS.keys():
            raise UsageError(f"mix has {min(unknown)!r}, but kinds of requests are {', '.join(KINDS)}")
        shares = {name: _number(f"mix: {name}", given[name], int, _MOST_BATCH) for name in KINDS if name in given}
        return shares or DEFAULT_MIX

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


def _number(name: str, text: str, kind: type[_Number], most: int) -> _Number:
    try:
        value = kind(text)
    except ValueError:
        value = kind(-1)
    if not 0 < value <= most:
        whole = "a whole number" if kind is int else "a number"
        raise UsageError(f"{name}: {text!r} is not {whole} above 0 and up to {most:,}; write several with commas")
    return value


def _list(values: Iterable[str]) -> str:
    return ",".join(values)
