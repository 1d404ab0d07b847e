"""The proto's enums and what the pipeline calls the same, both ways.

A number that an enum does not have does not pass `request_parsing.py`. None stands for what a request leaves open.
"""

from shortlist.proto import retrieval_pb2 as pb
from shortlist.server.inference.result import Degraded
from shortlist.server.runtime.manifest import Kind, TextKind
from shortlist.server.runtime.tokens import Truncation
from shortlist.server.search.candidates import CandidatesFrom, RankFusion
from shortlist.server.search.query import LimitedBy, Mode
from shortlist.server.search.token_upkeep import State as TokenVectorsState
from shortlist.server.storage.choices import Quantization, TokenPooling
from shortlist.server.storage.filtered import Plan
from shortlist.server.storage.recall import State

MODES: dict[pb.Mode.ValueType, Mode] = {
    pb.MODE_UNSPECIFIED: "auto",
    pb.MODE_AUTO: "auto",
    pb.MODE_TWO_STAGE: "two-stage",
    pb.MODE_DENSE: "dense",
    pb.MODE_RERANK_ALL: "rerank-all",
    pb.MODE_LATE_INTERACTION: "late-interaction",
    pb.MODE_CASCADE: "cascade",
}
MODES_BACK = {plain: message for message, plain in MODES.items()}  # the last of two wins: MODE_AUTO
SOURCES: dict[pb.CandidatesFrom.ValueType, CandidatesFrom | None] = {
    pb.CANDIDATES_FROM_UNSPECIFIED: None,
    pb.CANDIDATES_FROM_DENSE: "dense",
    pb.CANDIDATES_FROM_LEXICAL: "lexical",
    pb.CANDIDATES_FROM_HYBRID: "hybrid",
}
SOURCES_BACK = {plain: message for message, plain in SOURCES.items()}
FUSIONS: dict[pb.RankFusion.ValueType, RankFusion] = {
    pb.RANK_FUSION_UNSPECIFIED: "distribution",
    pb.RANK_FUSION_DISTRIBUTION: "distribution",
    pb.RANK_FUSION_RRF: "rrf",
}
LIMITS: dict[LimitedBy, pb.LimitedBy.ValueType] = {
    "none": pb.LIMITED_BY_NONE,
    "margin": pb.LIMITED_BY_MARGIN,
    "budget": pb.LIMITED_BY_BUDGET,
}
FILTER_PLANS: dict[Plan | None, pb.FilterPlan.ValueType] = {
    None: pb.FILTER_PLAN_NONE,
    "exact": pb.FILTER_PLAN_EXACT,
    "index": pb.FILTER_PLAN_INDEX,
}
QUANTIZATIONS: dict[pb.Quantization.ValueType, Quantization | None] = {
    pb.QUANTIZATION_UNSPECIFIED: None,
    pb.QUANTIZATION_NONE: "none",
    pb.QUANTIZATION_INT8: "int8",
}
QUANTIZATIONS_BACK = {plain: message for message, plain in QUANTIZATIONS.items()}
TOKEN_POOLINGS: dict[pb.TokenPooling.ValueType, TokenPooling | None] = {
    pb.TOKEN_POOLING_UNSPECIFIED: None,
    pb.TOKEN_POOLING_NO_VECTORS: "no-vectors",
    pb.TOKEN_POOLING_NONE: "none",
    pb.TOKEN_POOLING_BY_TWO: "by-two",
}
TOKEN_POOLINGS_BACK = {plain: message for message, plain in TOKEN_POOLINGS.items()}
TOKEN_STATES: dict[TokenVectorsState, pb.TokenVectorsState.ValueType] = {
    "none": pb.TOKEN_VECTORS_STATE_NONE,
    "making": pb.TOKEN_VECTORS_STATE_MAKING,
    "ready": pb.TOKEN_VECTORS_STATE_READY,
    "unusable": pb.TOKEN_VECTORS_STATE_UNUSABLE,
}
RECALL_STATES: dict[State, pb.RecallState.ValueType] = {
    "exact": pb.RECALL_STATE_EXACT,
    "unmeasured": pb.RECALL_STATE_UNMEASURED,
    "met": pb.RECALL_STATE_MET,
    "missed": pb.RECALL_STATE_MISSED,
}
DEGRADED: dict[Degraded, pb.Degraded.ValueType] = {
    "none": pb.DEGRADED_NONE,
    "deadline": pb.DEGRADED_DEADLINE,
    "inference-failed": pb.DEGRADED_INFERENCE_FAILED,
}
KINDS: dict[pb.TextKind.ValueType, TextKind] = {
    pb.TEXT_KIND_UNSPECIFIED: "document",
    pb.TEXT_KIND_QUERY: "query",
    pb.TEXT_KIND_DOCUMENT: "document",
}
TRUNCATIONS: dict[pb.Truncation.ValueType, Truncation | None] = {
    pb.TRUNCATION_UNSPECIFIED: None,
    pb.TRUNCATION_END: "end",
    pb.TRUNCATION_START: "start",
    pb.TRUNCATION_NONE: "none",
}
TOKENIZERS: dict[pb.Model.ValueType, Kind] = {
    pb.MODEL_UNSPECIFIED: "embedder",
    pb.MODEL_EMBEDDER: "embedder",
    pb.MODEL_RERANKER: "reranker",
    pb.MODEL_LATE_INTERACTION: "late-interaction",
}
SCORERS: dict[pb.Model.ValueType, Kind] = {**TOKENIZERS, pb.MODEL_UNSPECIFIED: "reranker"}
