"""What goes into a call and what comes out of it, as plain Python values.

This module knows neither gRPC nor protobuf; `requests.py` and `responses.py` translate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from .token_vectors import TokenVectors

if TYPE_CHECKING:
    from .errors import ShortlistError

Mode = Literal["auto", "two-stage", "dense", "rerank-all", "late-interaction", "cascade"]
"""Which stages a search runs; `auto` is `cascade` where the collection has token vectors, else `two-stage`."""

CandidatesFrom = Literal["dense", "lexical", "hybrid"]
"""What stage one ranks by: the similarity of vectors, words in common with the query, or both."""

Quantization = Literal["none", "int8"]
"""How an index holds vectors; `none` is float16."""

RankFusion = Literal["distribution", "rrf"]
"""How `hybrid` becomes one order where no reranker reads it: by the scores of both rankings, or by the places."""

Degraded = Literal["deadline", "inference-failed"]
"""Why fewer documents were scored than asked for: the deadline came near, or the model could not run some of them."""

LimitedBy = Literal["margin", "budget"]
"""Why stage two read fewer candidates than there were: they were too far behind, or would have taken too long."""

FilterPlan = Literal["exact", "index"]
"""How a search with a filter found candidates: by comparing all that match, or by asking the index for more."""

IngestOutcome = Literal["inserted", "updated", "unchanged", "refused"]
"""What became of a document: its id was new; it replaced another version; it was there; it was not stored."""

TextKind = Literal["query", "document"]
"""What a text is to the embedder: many models put another prefix before each."""

Truncation = Literal["end", "start", "none"]
"""What is left out of a text that does not fit a model's window; `none`: nothing, and the call fails."""

Model = Literal["embedder", "reranker", "late-interaction"]
"""Which of the server's models."""

RerankModel = Literal["reranker", "late-interaction"]
"""Which of them scores texts beside a query."""

Metadata = Mapping[str, Any]
"""A JSON object. Numbers travel as doubles, and whole ones come back as `int`: `2.0` as `2`."""


@dataclass(frozen=True, slots=True)
class Document:
    """A unit of retrieval: what is embedded, reranked and returned."""

    id: str  # unique in its collection
    text: str  # what is searched; not empty
    title: str = ""  # both models read it before the text
    metadata: Metadata = field(default_factory=dict)  # returned as it came; not searched, but filters find by it
    source: str = ""  # what it came from, such as a file's path; not searched
    vector: Sequence[
        float
    ] = ()  # made elsewhere by the server's embedder; empty: the server makes it, or was not asked


@dataclass(frozen=True, slots=True)
class Source:
    """What documents of a collection came from."""

    name: str
    documents: int  # that came from it


RecallState = Literal["exact", "unmeasured", "met", "missed"]
"""Whether searches find the share of what is nearest that they are held to; `exact`: they compare all vectors."""


@dataclass(frozen=True, slots=True)
class Recall:
    """What stage one finds of the 50 documents that are nearest to a query, measured on a sample of the searches."""

    target: float  # the share to be found
    state: RecallState
    measured: float | None  # the share that was found; None: no search was done again yet
    error: float  # its standard error
    samples: int  # searches that it is the mean of
    beam: int  # how widely the index is walked; 0: all vectors are compared


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents and the embedder that made their vectors."""

    name: str
    documents: int
    embedder: str  # model and variant, for people
    embedder_fingerprint: str  # what the server compares
    dimensions: int  # elements of a vector
    created_at: datetime  # UTC
    recall: Recall
    language: str  # by which texts are taken apart into words
    quantization: Quantization  # of what its index holds
    token_vectors: TokenVectors  # of its documents, for late interaction


@dataclass(frozen=True, slots=True)
class SnapshotCollection:
    """A collection's copy in a snapshot."""

    name: str
    documents: int
    embedder: str  # model and variant, for people
    embedder_fingerprint: str  # it can be restored on a server with this embedder
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Copies of collections on the server's disk, made at one time."""

    name: str
    created_at: datetime  # UTC
    version: str  # of the server that made it
    collections: tuple[SnapshotCollection, ...]


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the server's time for a call went, in milliseconds; 0 where a call has no such phase."""

    tokenize_ms: float  # until the first texts were tokens
    queue_ms: float  # from then until a slot began to run them
    infer_ms: float  # from then until the last one was run
    retrieve_ms: float  # stage one's lookup
    write_ms: float  # documents to disk, vectors to the index
    total_ms: float  # from the request's arrival to its answer
    embed_ms: float  # of a search: the query's way to its vector, of the phases above
    rerank_ms: float  # of a search: stage two, of the phases above
    maxsim_ms: float  # of a search: late interaction; its model's part is in the phases above as well


@dataclass(frozen=True, slots=True)
class UpsertResult:
    """What became of the documents of one upsert."""

    inserted: int  # the id was new
    updated: int  # replaced another version; with the same title and text it is not embedded again
    unchanged: int  # equal to what was there but perhaps for the source
    truncated: int  # of the inserted and updated: longer than the embedder's window
    timing: Timing


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What became of one document of an ingest."""

    index: int  # its place among the documents that were given, from 0
    document: Document  # as it was given
    outcome: IngestOutcome
    truncated: bool = False  # inserted or updated, and longer than the embedder's window
    error: "ShortlistError | None" = None  # why it was refused: mostly an InvalidRequest, with its field


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that a search found."""

    id: str
    relevance: float | None  # by which hits fall, 0 to 1: the score, or score and similarity together; None as below
    score: float | None  # stage two, 0 to 1; None where it did not score the document
    similarity: float  # stage one, cosine, -1 to 1
    rank: int  # place in stage one's order, from 1
    title: str  # empty unless the search includes text
    text: str  # the same
    metadata: Metadata  # empty unless the search includes metadata
    vector: tuple[float, ...] = ()  # empty unless the search includes vectors
    dense_rank: int | None = None  # place by similarity; None where it is not among those that stage one took by it
    lexical_rank: int | None = None  # the same by words
    logit: float | None = None  # whose sigmoid the score is
    maxsim: float | None = None  # late interaction: for each token of the query its best cosine, summed; or None
    maxsim_rank: int | None = None  # place by it, from 1


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The answer to a search."""

    hits: tuple[Hit, ...]  # best first
    reranked: int  # candidates that stage two scored
    selected: int  # candidates that stage two was to score: in stage one's order, the first ones within the margin
    limited_by: LimitedBy | None  # why those are not all; None: they are
    similarity_weight: float  # in the hits' relevance: above 0 their scores need not fall
    candidates: int  # candidates that stage one found
    mode: Mode  # what ran: what `auto` chose
    candidates_from: CandidatesFrom  # the same: `dense` for `hybrid` while the server builds a lexical index
    degraded: Degraded | None  # None: everything that was selected was scored
    truncated: int  # texts longer than a model's window
    timing: Timing
    matched: int | None = None  # documents that match the filter; None: the search had none
    filter_plan: FilterPlan | None = None  # how candidates were found among them
    maxsim_scored: int = 0  # candidates that late interaction scored
    query_vectors: int = 0  # token vectors of the query: a hit's `maxsim` by it is a mean cosine


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The vectors of texts, in the order of the texts."""

    vectors: tuple[tuple[float, ...], ...]  # [texts, dimensions]
    truncated: int  # texts longer than the embedder's window
    timing: Timing
    tokens: int = 0  # that the embedder read


@dataclass(frozen=True, slots=True)
class Ranked:
    """A text that was reranked."""

    index: int  # its place in the request, from 0
    score: float | None  # 0 to 1, of late interaction a mean cosine, -1 to 1; None where it was not scored
    text: str
    logit: float | None = None  # whose sigmoid the score is; None of late interaction
    maxsim: float | None = None  # of late interaction: the sum whose mean the score is


@dataclass(frozen=True, slots=True)
class RerankResult:
    """The answer to a rerank."""

    results: tuple[Ranked, ...]  # best first
    reranked: int  # texts that were scored
    degraded: Degraded | None  # None: all were scored
    truncated: int  # (query, text) pairs, or texts, longer than the model's window or than `max_document_tokens`
    timing: Timing
    tokens: int = 0  # that the model read


@dataclass(frozen=True, slots=True)
class Tokenization:
    """A text, or a pair, as a model reads it: special tokens included, cut to its window."""

    ids: tuple[int, ...]  # in the vocabulary
    tokens: tuple[str, ...]
    truncated: bool
    ends: tuple[int, ...]  # with `ends_only`: where each token ends in the whole text, in characters
