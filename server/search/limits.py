"""The limits in force, as numbers; `request_checks.py` holds requests to them."""

from dataclasses import dataclass

from shortlist.server.settings import Settings

MAX_ID_BYTES = 512
MAX_TITLE_BYTES = 4 << 10
MAX_METADATA_BYTES = 64 << 10
MAX_METADATA_LEVELS = 32  # what protobuf's own limit of 100 messages leaves for objects in objects
MAX_SOURCE_BYTES = 4 << 10
MAX_FILTER_TERMS = 1000  # conditions, and values that one of them names
MAX_FILTER_LEVELS = 16
MAX_PATH_BYTES = 1 << 10
MIN_RECALL_TARGET = 0.5
MAX_ANSWER_BYTES = 60 << 20  # of documents or vectors: clients take messages of 64 MiB, with what is around them


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that settings decide."""

    max_top_k: int
    max_candidates: int
    max_batch: int
    max_text_bytes: int
    auto_rerank_all: int
    max_request_bytes: int
    auto_budget_ms: float
    margin: float
    admit_share: float

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """Take the limits out of a server's settings."""
        return cls(
            settings.max_top_k,
            settings.max_candidates,
            settings.max_batch,
            settings.max_text_bytes,
            settings.auto_rerank_all,
            settings.max_request_bytes,
            settings.auto_budget_ms,
            settings.margin,
            settings.admit_share,
        )
