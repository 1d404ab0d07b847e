"""Between tei.v1's messages and the plain types of its models, both ways. No logic beyond that."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shortlist.proto import tei_pb2 as pb
from shortlist.server.runtime.tokens import Piece
from shortlist.server.tei.description import Description
from shortlist.server.tei.models import Cut, Direction, Floats, Rank
from shortlist.server.tei.usage import Usage

_DIRECTIONS: dict[pb.TruncationDirection.ValueType, Direction] = {
    pb.TRUNCATION_DIRECTION_RIGHT: "right",
    pb.TRUNCATION_DIRECTION_LEFT: "left",
}
_MOST = 2**32 - 1  # of a uint32
_MODEL_TYPES = {"embedder": pb.MODEL_TYPE_EMBEDDING, "reranker": pb.MODEL_TYPE_RERANKER}


@dataclass(slots=True)
class Pairs:
    """The pairs of a RerankStream; the first says what is answered of all."""

    raw_scores: bool = False
    texts: list[str] | None = None  # None: they are not returned
    count: int = 0
    kept_bytes: int = 0
    scored: list[tuple[Floats, Usage]] = field(default_factory=list)  # in the order of the stream

    def add(self, request: pb.RerankStreamRequest) -> None:
        """Count the next pair, and keep its text if it is to be returned."""
        if not self.count:
            self.raw_scores, self.texts = request.raw_scores, [] if request.return_text else None
        self.count += 1
        if self.texts is not None:
            self.texts.append(request.text)
            self.kept_bytes += request.ByteSize()


class Cuttable(Protocol):
    """A request that says what becomes of texts that do not fit."""

    truncate: bool
    truncation_direction: pb.TruncationDirection.ValueType


def cut(request: Cuttable) -> Cut:
    """Return what a request wants done with texts that do not fit."""
    return Cut(request.truncate, _DIRECTIONS[request.truncation_direction])


def metadata(took: Usage) -> pb.Metadata:
    """Return what a request took."""
    return pb.Metadata(
        compute_chars=min(took.characters, _MOST),
        compute_tokens=min(took.tokens, _MOST),
        total_time_ns=_ns(took.total_s),
        tokenization_time_ns=_ns(took.spent.tokenize_s),
        queue_time_ns=_ns(took.spent.queue_s),
        inference_time_ns=_ns(took.spent.infer_s),
    )


def predicted(scores: Floats, label: str, took: Usage) -> pb.PredictResponse:
    """Return what one input's label scores: float32 [1]."""
    predictions = [pb.Prediction(score=score, label=label) for score in scores.tolist()]
    return pb.PredictResponse(predictions=predictions, metadata=metadata(took))


def ranked(ranks: Sequence[Rank], texts: Sequence[str] | None, took: Usage) -> pb.RerankResponse:
    """Return texts in their ranks, without them where they are None."""
    return pb.RerankResponse(
        ranks=[
            pb.Rank(index=rank.index, score=rank.score, text=None if texts is None else texts[rank.index])
            for rank in ranks
        ],
        metadata=metadata(took),
    )


def token(piece: Piece) -> pb.SimpleToken:
    """Return one token."""
    return pb.SimpleToken(id=piece.id, text=piece.text, special=piece.special, start=piece.start, stop=piece.stop)


def info(description: Description) -> pb.InfoResponse:
    """Return what is served."""
    return pb.InfoResponse(
        version=description.version,
        model_id=description.model_id,
        model_sha=description.model_sha or None,
        model_dtype=description.model_dtype,
        model_type=_MODEL_TYPES[description.kind],
        max_concurrent_requests=min(description.max_concurrent_requests, _MOST),
        max_input_length=description.max_input_length,
        max_batch_tokens=description.max_batch_tokens,
        max_client_batch_size=description.max_client_batch_size,
        tokenization_workers=description.tokenization_workers,
    )


def _ns(seconds: float) -> int:
    return round(1e9 * seconds)
