"""What TEI's `Info` and `/info` say of one of the two models."""

from dataclasses import dataclass
from importlib.metadata import version

from shortlist.server import cores
from shortlist.server.runtime.manifest import Kind
from shortlist.server.search.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Description:
    """One model, and the limits of the server."""

    version: str
    model_id: str
    model_sha: str  # empty: it came from no hub
    model_dtype: str
    kind: Kind
    pooling: str  # of an embedder
    label: str  # of a reranker
    max_concurrent_requests: int
    max_input_length: int
    max_batch_tokens: int
    max_client_batch_size: int
    tokenization_workers: int


def describe(pipeline: Pipeline, kind: Kind, queue_tokens: int) -> Description:
    """Describe one of the models.

    Args:
        pipeline: whose.
        kind: which of them.
        queue_tokens: how many tokens may wait.
    """
    model = pipeline.embedder if kind == "embedder" else pipeline.scorer
    info, shapes = model.info, model.graph.shapes
    return Description(
        version=version("shortlist"),
        model_id=info.source.model,
        model_sha=info.source.revision,
        model_dtype=info.variant,
        kind=kind,
        pooling=pipeline.embedder.pooling,
        label=pipeline.scorer.label,
        max_concurrent_requests=max(1, queue_tokens // info.max_tokens),
        max_input_length=info.max_tokens,
        max_batch_tokens=max(shapes.batch_tokens, info.max_tokens),
        max_client_batch_size=pipeline.limits.max_batch,
        tokenization_workers=cores.usable(),
    )
