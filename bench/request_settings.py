"""What can be set about the requests of `shortlist bench`: their kinds and sizes, and the texts they are made of."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from shortlist.console.errors import UsageError
from shortlist.server.settings import within

from .kinds import KINDS, Name
from .measured_server import MeasuredServer

LoadName = Literal["rerank", "embed", "dense", "search", "ingest", "mixed"]

DEFAULT_MIX: dict[Name, int] = {"search": 4, "dense": 2, "embed": 2, "rerank": 1, "ingest": 1}
MOST_ITEMS = 1000  # of a request
_MIX = ",".join(f"{name}={share}" for name, share in DEFAULT_MIX.items())
_REQUESTS, _TEXTS = Parameter(group="Requests"), Parameter(group="Texts")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSettings(MeasuredServer):
    """The settings of requests, and of the server they go to."""

    load: LoadName = "rerank"
    """what requests are: rerank passages; embed texts; dense, a search without stage two; search, both stages;
    ingest passages; mixed, all of them at once"""
    passages: Annotated[int, _REQUESTS, within(1, MOST_ITEMS)] = 50
    """passages that a rerank, or stage two of a search, reads"""
    top_k: Annotated[int, _REQUESTS, within(1, MOST_ITEMS)] = 10
    """hits of a search"""
    include_text: Annotated[bool, _REQUESTS] = True
    """hits carry their text"""
    texts: Annotated[int, _REQUESTS, within(1, MOST_ITEMS)] = 1
    """texts of an embed"""
    text_kind: Annotated[Literal["query", "document"], _REQUESTS] = "query"
    """what the texts of an embed are"""
    batch: Annotated[int, _REQUESTS, within(1, MOST_ITEMS)] = 32
    """passages of an ingest"""
    deadline_ms: Annotated[float | None, _REQUESTS, within(0.1, 3_600_000)] = None
    """deadline of a request; shows the share of requests answered within it. Without it, timeout-s"""
    mix: Annotated[
        dict[str, int],
        Parameter(n_tokens=-1, metavar="KIND=N,KIND=N", show_default=lambda _: _MIX),
        within(1, MOST_ITEMS),
        _REQUESTS,
    ] = field(default_factory=dict)
    """of a mixed load, how many requests of each kind there are"""

    candidates: Annotated[Path | None, Parameter(metavar="FILE"), _TEXTS] = None
    """queries with passages of their own: a JSON array of {query, hits: [{content}]}, as TREC DL baselines publish
    them"""
    collection_folder: Annotated[Path | None, Parameter(metavar="FOLDER"), _TEXTS] = None
    """folder with corpus.jsonl and queries.jsonl (BEIR)"""
    corpus: Annotated[Path | None, Parameter(metavar="FILE"), _TEXTS] = None
    """documents, as JSON lines for `shortlist index`"""
    queries: Annotated[Path | None, Parameter(metavar="FILE"), _TEXTS] = None
    """queries, one {_id, text} a line (BEIR)"""

    def __post_init__(self) -> None:
        """Refuse requests that cannot be made.

        Raises:
            UsageError, SettingsError: naming the setting, its value and the limit.
        """
        MeasuredServer.__post_init__(self)  # a dataclass with slots is not the class that super() would look for
        self.shares()
        if self.top_k > self.passages and "search" in self.shares():
            raise UsageError(f"top_k is {self.top_k}, but a search returns its {self.passages} passages at most")

    def shares(self) -> dict[Name, int]:
        """Return how many requests of each kind there are; one kind unless the load is mixed."""
        if self.load != "mixed":
            if self.mix:
                raise UsageError(f"mix is given, but load is {self.load}: give --load mixed, or leave mix out")
            return {self.load: 1}
        if unknown := self.mix.keys() - KINDS.keys():
            raise UsageError(f"mix has {min(unknown)!r}, but kinds of requests are {', '.join(KINDS)}")
        return {name: self.mix[name] for name in KINDS if name in self.mix} or DEFAULT_MIX
