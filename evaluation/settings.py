"""What can be set about `shortlist eval`. Importing this module needs no extra."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args

from cyclopts import Parameter

from shortlist.bench.measured_server import MeasuredServer
from shortlist.bench.settings import check_plot
from shortlist.client.types import CandidatesFrom
from shortlist.console.errors import UsageError
from shortlist.server.settings import MAX_MARGIN, MAX_SIMILARITY_WEIGHT, within

_MOST_CANDIDATES = 1_000_000
_STAGE_TWO, _OUTPUT = Parameter(group="Stage two"), Parameter(group="Output")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalSettings(MeasuredServer):
    """The settings of one evaluation."""

    split: Annotated[str | None, Parameter(metavar="NAME")] = None
    """judgements to use, qrels/NAME.tsv; without it qrels.tsv, or qrels/test.tsv where there is none"""
    collection: Annotated[str | None, Parameter(metavar="NAME")] = None
    """collection that holds the corpus already, under its ids; it is not written to, and the folder needs no
    corpus.jsonl. Without it one is made, filled, and dropped at the end"""

    language: Annotated[str | None, Parameter(metavar="NAME")] = None
    """of the corpus, by which the collection that is made takes words apart: english, german, ... or none"""
    candidates_from: Annotated[tuple[CandidatesFrom, ...], Parameter(metavar="MODE,MODE")] = get_args(CandidatesFrom)
    """how stage one finds candidates: dense, lexical, hybrid; runs of the others are compared with the first"""

    candidates: Annotated[tuple[int, ...], Parameter(metavar="N,N"), _STAGE_TWO, within(1, _MOST_CANDIDATES)] = (
        *(10, 20, 50, 100, 200),
    )
    """candidates that stage two reads: one run for each number"""
    rerank_queries: Annotated[int, _STAGE_TWO, within(0)] = 1000
    """queries that go through both stages, drawn with a fixed seed; 0: all. Stage one is asked all"""
    similarity_weight: Annotated[float | None, _STAGE_TWO, within(0, MAX_SIMILARITY_WEIGHT)] = None
    """the similarity's weight in the final order; that of the reranker's bundle, if it is not given"""
    margin: Annotated[float, _STAGE_TWO, within(0, MAX_MARGIN)] = 2.0
    """stage two reads candidates whose cosine is so near to the best one's; 2: all"""
    timed_queries: Annotated[int, _STAGE_TWO, within(0)] = 20
    """queries that are asked one after the other of an idle server, to time searches; 0: none"""

    baseline: Annotated[Path | None, Parameter(metavar="RUN.json"), _OUTPUT] = None
    """what --json printed of another run on the same judgements: tells which differences are significant"""
    run_out: Annotated[Path | None, Parameter(metavar="FOLDER"), _OUTPUT] = None
    """write the rankings into this folder, a TREC run file for each run"""
    plot: Annotated[Path | None, Parameter(metavar="FILE.svg"), _OUTPUT] = None
    """draw nDCG@10 over candidates, and over milliseconds, into this SVG or PNG"""
    json: Annotated[bool, _OUTPUT] = False
    """print the result as one JSON object with the values of every query, and tables on standard error"""
    timeout_s: Annotated[float, Parameter(metavar="S", group="Connection")] = 120.0
    """seconds that a call may take"""

    def __post_init__(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            UsageError: naming the setting, its value and the limit.
        """
        MeasuredServer.__post_init__(self)  # a dataclass with slots is not the class that super() would look for
        if not self.candidates:
            raise UsageError("candidates is empty: name one number at least, such as 50")
        if not self.candidates_from:
            raise UsageError("candidates_from is empty: name one way at least, such as dense")
        self.check_collection(self.collection)
        if self.plot is not None:
            check_plot(self.plot)
        if self.run_out is not None and self.run_out.exists() and not self.run_out.is_dir():
            raise UsageError(f"run_out is {self.run_out}, but that is a file: name a folder")

    @property
    def sources(self) -> tuple[CandidatesFrom, ...]:
        """How stage one finds candidates, each once."""
        return tuple(dict.fromkeys(self.candidates_from))

    @property
    def counts(self) -> tuple[int, ...]:
        """The numbers of candidates, each once, ascending."""
        return tuple(sorted(set(self.candidates)))
