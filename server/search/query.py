"""What a search is asked, and what a search, a rerank, an upsert and an ingest answer, as plain types.

`rpc/` makes a `Query` of a request, and a response of the answer; the pipeline does the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shortlist.server.errors import ShortlistError
from shortlist.server.inference.result import Degraded, Spent
from shortlist.server.storage.document import Document
from shortlist.server.storage.filtered import Plan
from shortlist.server.storage.filters import Filter

from .candidates import CandidatesFrom, RankFusion

Mode = Literal["auto", "two-stage", "dense", "rerank-all", "late-interaction", "cascade"]
LimitedBy = Literal["none", "budget", "margin"]
Outcome = Literal["inserted", "updated", "unchanged"]

DEFAULT_TOP_K = 10
DEFAULT_CANDIDATES = 50
DEFAULT_MAXSIM_CANDIDATES = 200
DEFAULT_CANDIDATES_FROM: CandidatesFrom = "hybrid"  # before a reranker


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A search as its caller asked for it; `deadline` is a time of the monotonic clock, in seconds."""

    collection: str
    text: str
    deadline: float
    top_k: int = DEFAULT_TOP_K
    candidates: int | None = None  # all of which stage two reads; None: as many as margin and budget allow
    rerank_candidates: int | None = None  # that a cascade or auto reads; None: those near the best by MaxSim
    mode: Mode = "auto"
    candidates_from: CandidatesFrom | None = None  # None: the mode's own
    rank_fusion: RankFusion = "distribution"  # of two rankings that no reranker reads
    margin: float | None = None  # of cosine, behind the best, that stage two reads; None: the server's own
    similarity_weight: float | None = None  # in the final order; None: what the reranker's bundle says
    where: Filter | None = None  # what documents have to match
    include_text: bool = False  # what hits will carry
    include_metadata: bool = False
    include_vectors: bool = False
    fresh: bool = False  # whether scores that are known are computed once more


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that a search found."""

    document: Document
    relevance: float | None  # by which hits fall, of score and similarity; None: stage two did not score it
    score: float | None  # stage two's alone
    similarity: float
    rank: int  # stage one's, from 1
    vector: NDArray[np.float32] | None = None  # float32 [dimensions]
    dense_rank: int | None = None  # by similarity; None: it was not among those that stage one found by it
    lexical_rank: int | None = None  # by words
    logit: float | None = None  # whose sigmoid the score is
    maxsim: float | None = None  # late interaction's; None: it was not computed
    maxsim_rank: int | None = None  # by it, from 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Where a call's time went, in seconds; phases that it did not have are 0."""

    spent: Spent = field(default_factory=Spent)  # in the models, both stages together
    retrieve_s: float = 0.0
    write_s: float = 0.0
    embed_s: float = 0.0  # of a search: its first stage's part of `spent`, and what lies between
    rerank_s: float = 0.0  # the same of its second stage
    maxsim_s: float = 0.0  # of a search: late interaction, from the query's token vectors to the order by MaxSim


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a search."""

    hits: list[Hit]
    reranked: int
    selected: int  # candidates that stage two was to score
    limited_by: LimitedBy  # why those were not all
    similarity_weight: float  # in the order of what was scored; 0 where nothing was
    candidates: int
    mode: Mode  # the one that ran
    candidates_from: CandidatesFrom  # what ran
    degraded: Degraded  # why not all that were selected were scored
    truncated: int
    timing: Timing
    matched: int | None = None  # documents; None: there was no filter
    filter_plan: Plan | None = None  # how the candidates were found among them
    maxsim_scored: int = 0  # candidates
    query_vectors: int = 0  # token vectors of the query, by which a MaxSim divided is a mean cosine


@dataclass(frozen=True, slots=True)
class Score:
    """What a text is worth beside a query."""

    index: int  # its place in the request, from 0
    score: float | None  # None: it was not scored
    logit: float | None  # whose sigmoid the score is; None with the late-interaction model
    maxsim: float | None = None  # the late-interaction model's, of which the score is the mean


@dataclass(frozen=True, slots=True)
class Ranked:
    """The answer to a rerank."""

    results: list[Score]  # best first
    reranked: int
    degraded: Degraded
    truncated: int
    # int32: of each pair, in the window, or of the query and of each document; 0 of those that were not scored
    tokens: NDArray[np.int32]
    timing: Timing


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a document that was written."""

    outcome: Outcome
    truncated: bool = False  # longer than the embedder's window; told of what is new or changed alone


@dataclass(frozen=True, slots=True)
class Arrived:
    """A document of a stream, as it came."""

    document: Document
    vector: Sequence[float] | None  # that it brings
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a document of a stream: its fate, once it is on disk and found, or why it was refused."""

    index: int  # its place in the stream, from 0
    size_bytes: int
    fate: Fate | None = None
    refusal: ShortlistError | None = None


@dataclass(frozen=True, slots=True)
class Ingested:
    """The answer to an upsert, in documents."""

    inserted: int
    updated: int
    unchanged: int
    truncated: int
    timing: Timing
