"""What a server runs and takes, as plain Python values: `Client.describe`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a variant agrees with the fp32 graph of its bundle, on samples of searches."""

    samples: int  # searches
    common: float  # share of the first 10 that both have, the mean
    difference: float  # the largest, of a similarity or a score


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A model that the server runs."""

    source: str  # what it was exported from: a model id, or the name of a folder or Python package
    revision: str  # empty if the source has none
    variant: str  # the graph that runs: "fp32", "int8-token", ...
    provider: str  # onnxruntime's name of what runs it
    max_tokens: int  # the window
    dimensions: int  # elements of a vector, or of a token's; 0 for a reranker
    fingerprint: str
    variants: tuple[str, ...]  # all that the bundle holds
    similarity_weight: float  # of a reranker: the default of searches that name none
    similarity_center: float  # of a reranker with a weight: the similarity that changes nothing
    fp32: Agreement | None = None  # with fp32; None: the server does not compare


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server takes; requests beyond raise `InvalidRequest`."""

    max_top_k: int
    max_candidates: int  # also the largest collection to rerank whole
    max_batch: int  # documents, texts or ids in a call
    max_text_bytes: int  # of UTF-8
    auto_rerank_all: int  # largest collection of which mode `auto` takes all documents for candidates
    max_request_bytes: int
    auto_budget_ms: float  # what stage two may be expected to take where a search names no candidates
    margin: float  # of cosine, behind the best candidate, that stage two reads where a search names none


@dataclass(frozen=True, slots=True)
class Description:
    """What a server runs."""

    version: str
    embedder: ModelDescription
    reranker: ModelDescription
    late_interaction: ModelDescription | None  # None: the server has none
    limits: Limits
    slots: int  # runs that go on at once
    threads: int  # threads that one run uses
