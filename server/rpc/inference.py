"""The service shortlist.v1.Inference: the models on texts that the caller brings. No logic."""

import time
from importlib.metadata import version

from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto import retrieval_pb2_grpc as pb_grpc
from shortlist.server.search.pipeline import Pipeline
from shortlist.server.search.query import Timing

from . import conversion, enums
from .deadlines import Context, Deadlines


class Inference(pb_grpc.InferenceServicer):
    """The service shortlist.v1.Inference."""

    def __init__(self, pipeline: Pipeline, deadlines: Deadlines, description: pb.DescribeResponse) -> None:
        """Serve one pipeline's models; `description` is what Describe answers beside how they agree with fp32."""
        self._pipeline = pipeline
        self._deadlines = deadlines
        self._description = description

    async def Embed(self, request: pb.EmbedRequest, context: Context) -> pb.EmbedResponse:
        began = time.perf_counter()
        embedded = await self._pipeline.embed(
            request.texts,
            enums.KINDS[request.kind],
            self._deadlines.of(context),
            truncation=enums.TRUNCATIONS[request.truncation],
            dimensions=request.dimensions if request.HasField("dimensions") else None,
            normalize=request.normalize or None,
        )
        return pb.EmbedResponse(
            embeddings=[pb.Embedding(values=vector) for vector in embedded.values.tolist()],
            truncated=int(embedded.truncated.sum()),
            timing=conversion.timing_message(Timing(spent=embedded.spent), time.perf_counter() - began),
            tokens=int(embedded.tokens.sum()),
        )

    async def Rerank(self, request: pb.RerankRequest, context: Context) -> pb.RerankResponse:
        began = time.perf_counter()
        ranked = await self._pipeline.rerank(
            request.query,
            request.documents,
            self._deadlines.of(context),
            request.top_k if request.HasField("top_k") else None,
            truncation=enums.TRUNCATIONS[request.truncation],
            document_tokens=request.max_document_tokens if request.HasField("max_document_tokens") else None,
            model=enums.SCORERS[request.model],
        )
        return conversion.rerank_response(ranked, time.perf_counter() - began)

    async def Tokenize(self, request: pb.TokenizeRequest, context: Context) -> pb.TokenizeResponse:
        model = enums.TOKENIZERS[request.model]
        if request.ends_only:
            ends = await self._pipeline.tokenizing.ends(request.texts, model, request.query)
            return pb.TokenizeResponse(tokenizations=[pb.Tokenization(ends=each) for each in ends])
        kind = enums.KINDS[request.kind]
        tokens = await self._pipeline.tokenizing.show(request.texts, model, kind, request.query)
        return pb.TokenizeResponse(tokenizations=map(conversion.tokenization_message, tokens))

    async def Describe(self, request: pb.DescribeRequest, context: Context) -> pb.DescribeResponse:
        answer = pb.DescribeResponse()
        answer.CopyFrom(self._description)
        beside = self._pipeline.fp32
        for model, agreement in ((answer.embedder, beside.embedder), (answer.reranker, beside.scorer)):
            if agreement is not None:
                model.fp32.CopyFrom(conversion.agreement_message(agreement))
        return answer


def describe(pipeline: Pipeline, slots: int, threads: int) -> pb.DescribeResponse:
    """Return what of Describe's answer stays the same while the server runs."""
    late_interaction = pipeline.late_interaction
    return pb.DescribeResponse(
        version=version("shortlist"),
        embedder=conversion.model_message(pipeline.embedder.info),
        reranker=conversion.model_message(pipeline.scorer.info),
        late_interaction=None if late_interaction is None else conversion.model_message(late_interaction.info),
        limits=conversion.limits_message(pipeline.limits),
        slots=slots,
        threads=threads,
    )
