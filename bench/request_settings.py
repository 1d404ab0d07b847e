"""What can be set about the requests of `shortlist bench`: their kinds and sizes, and the texts they are made of."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from shortlist.console.command import Connection
from shortlist.console.options import UsageError
from shortlist.server.errors import check_range

from .kinds import KINDS, Name

LoadName = Literal["rerank", "embed", "dense", "search", "ingest", "mixed"]

_Number = TypeVar("_Number", int, float)

DEFAULT_MIX: dict[Name, int] = {"search": 4, "dense": 2, "embed": 2, "rerank": 1, "ingest": 1}
MOST_ITEMS = 1000  # of a request
_LIMITED = ("passages", "texts", "batch", "top_k")
_REQUESTS, _TEXTS = "requests", "texts"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSettings(Connection):
    """The settings of requests, and of the server they go to."""

    load: LoadName = field(
        default="rerank",
        metadata={
            "help": "what requests are: rerank passages; embed texts; dense, a search without stage two; search, both"
            " stages; ingest passages; mixed, all of them at once"
        },
    )
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

    def __post_init__(self) -> None:
        """Refuse requests that cannot be made.

        Raises:
            UsageError, SettingsError: naming the setting, its value and the limit.
        """
        Connection.__post_init__(self)  # a dataclass with slots is not the class that super() would look for
        self.shares()
        for name in _LIMITED:
            check_range(name, getattr(self, name), 1, MOST_ITEMS)
        if self.deadline_ms is not None:
            check_range("deadline_ms", self.deadline_ms, 0.1, 3_600_000)
        if self.top_k > self.passages and "search" in self.shares():
            raise UsageError(f"top_k is {self.top_k}, but a search returns its {self.passages} passages at most")

    def shares(self) -> dict[Name, int]:
        """Return how many requests of each kind there are; one kind unless the load is mixed."""
        if self.load != "mixed":
            if self.mix:
                raise UsageError(f"mix is given, but load is {self.load}: give --load mixed, or leave mix out")
            return {self.load: 1}
        given = dict(self.mix)
        if unknown := given.keys() - KINDS.keys():
            raise UsageError(f"mix has {min(unknown)!r}, but kinds of requests are {', '.join(KINDS)}")
        shares = {name: number(f"mix: {name}", given[name], int, MOST_ITEMS) for name in KINDS if name in given}
        return shares or DEFAULT_MIX


def number(name: str, text: str, kind: type[_Number], most: int) -> _Number:
    """Read a number above 0 and up to `most`.

    Raises:
        UsageError: the text is something else.
    """
    try:
        value = kind(text)
    except ValueError:
        value = kind(-1)
    if not 0 < value <= most:
        whole = "a whole number" if kind is int else "a number"
        raise UsageError(f"{name}: {text!r} is not {whole} above 0 and up to {most:,}; write several with commas")
    return value
