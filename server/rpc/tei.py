"""The services of tei.v1: a request to a call of TEI's models, its answer to a response. No logic.

Errors pass through: `interceptor.py` turns them into statuses.
"""

import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NoReturn, TypeAlias, TypeVar

import grpc
import numpy as np

from shortlist.proto import tei_pb2 as pb
from shortlist.proto import tei_pb2_grpc as pb_grpc
from shortlist.server.errors import Unsupported, named
from shortlist.server.tei import models, usage
from shortlist.server.tei.capacity import patiently
from shortlist.server.tei.models import Models
from shortlist.server.tei.usage import Usage

from . import ordered, tei_messages
from .deadlines import Context, Deadlines
from .writing import Writer

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
# Returns a response and what it took, which is nothing where no model ran. The number is the deadline.
Answer: TypeAlias = Callable[[_Request, float], Awaitable[tuple[_Response, Usage | None]]]


@dataclass(frozen=True, slots=True)
class Face:
    """What the services share: what they serve, and how calls and streams are answered."""

    models: Models
    deadlines: Deadlines

    def add_to(self, server: grpc.aio.Server) -> None:
        """Add the services to a server."""
        pb_grpc.add_InfoServicer_to_server(Info(self), server)
        pb_grpc.add_EmbedServicer_to_server(Embed(self), server)
        pb_grpc.add_PredictServicer_to_server(Predict(self), server)
        pb_grpc.add_RerankServicer_to_server(Rerank(self), server)
        pb_grpc.add_TokenizeServicer_to_server(Tokenize(self), server)

    async def one(self, answer: Answer[_Request, _Response], request: _Request, context: Context) -> _Response:
        """Answer a call; what it took stands in headers too."""
        response, took = await answer(request, self.deadlines.of(context))
        if took is not None:
            await context.send_initial_metadata(tuple(usage.headers(took, self.models.provider)))
        return response

    async def each(
        self, answer: Answer[_Request, _Response], requests: AsyncIterable[_Request], context: Context
    ) -> None:
        """Answer a stream of requests; where the queue is full, wait for room in it."""
        deadline, writer = self.deadlines.of_stream(context), Writer(context)

        async def patient(request: _Request) -> _Response:
            return (await patiently(partial(answer, request, deadline), deadline))[0]

        await ordered.each(requests, patient, writer.write)


class Info(pb_grpc.InfoServicer):
    """The service tei.v1.Info."""

    def __init__(self, face: Face) -> None:
        self._response = tei_messages.info(face.models.describe(face.models.main))

    async def Info(self, request: pb.InfoRequest, context: Context) -> pb.InfoResponse:
        return self._response


class Embed(pb_grpc.EmbedServicer):
    """The service tei.v1.Embed."""

    def __init__(self, face: Face) -> None:
        self._face = face

    async def Embed(self, request: pb.EmbedRequest, context: Context) -> pb.EmbedResponse:
        return await self._face.one(self._embed, request, context)

    async def EmbedStream(self, requests: AsyncIterable[pb.EmbedRequest], context: Context) -> None:
        await self._face.each(self._embed, requests, context)

    async def _embed(self, request: pb.EmbedRequest, deadline: float) -> tuple[pb.EmbedResponse, Usage]:
        with named({"inputs[0]": "inputs"}):
            vectors, took = await self._face.models.embed(
                [request.inputs],
                tei_messages.cut(request),
                deadline,
                normalize=request.normalize if request.HasField("normalize") else True,
                prompt_name=request.prompt_name if request.HasField("prompt_name") else None,
                dimensions=request.dimensions if request.HasField("dimensions") else None,
            )
        return pb.EmbedResponse(embeddings=vectors[0].tolist(), metadata=tei_messages.metadata(took)), took

    async def EmbedSparse(self, request: pb.EmbedSparseRequest, context: Context) -> NoReturn:
        raise Unsupported(models.SPARSE)

    async def EmbedSparseStream(self, requests: AsyncIterable[pb.EmbedSparseRequest], context: Context) -> None:
        raise Unsupported(models.SPARSE)

    async def EmbedAll(self, request: pb.EmbedAllRequest, context: Context) -> NoReturn:
        raise Unsupported(models.UNPOOLED)

    async def EmbedAllStream(self, requests: AsyncIterable[pb.EmbedAllRequest], context: Context) -> None:
        raise Unsupported(models.UNPOOLED)


class Predict(pb_grpc.PredictServicer):
    """The service tei.v1.Predict."""

    def __init__(self, face: Face) -> None:
        self._face = face

    async def Predict(self, request: pb.PredictRequest, context: Context) -> pb.PredictResponse:
        return await self._face.one(self._predict, request, context)

    async def PredictStream(self, requests: AsyncIterable[pb.PredictRequest], context: Context) -> None:
        await self._face.each(self._predict, requests, context)

    async def PredictPair(self, request: pb.PredictPairRequest, context: Context) -> pb.PredictResponse:
        return await self._face.one(self._predict_pair, request, context)

    async def PredictPairStream(self, requests: AsyncIterable[pb.PredictPairRequest], context: Context) -> None:
        await self._face.each(self._predict_pair, requests, context)

    async def _predict(self, request: pb.PredictRequest, deadline: float) -> tuple[pb.PredictResponse, Usage]:
        with named({"inputs[0][0]": "inputs", "inputs[0]": "inputs"}):
            return await self._predicted([request.inputs], request, deadline)

    async def _predict_pair(
        self, request: pb.PredictPairRequest, deadline: float
    ) -> tuple[pb.PredictResponse, Usage]:
        with named({"inputs[0]": "inputs"}):
            return await self._predicted(request.inputs, request, deadline)

    async def _predicted(
        self, inputs: Sequence[str], request: pb.PredictRequest | pb.PredictPairRequest, deadline: float
    ) -> tuple[pb.PredictResponse, Usage]:
        served = self._face.models
        logits, took = await served.predict([inputs], tei_messages.cut(request), deadline)
        scores = models.scores(logits, raw_scores=request.raw_scores)
        return tei_messages.predicted(scores, served.label, took), took


class Rerank(pb_grpc.RerankServicer):
    """The service tei.v1.Rerank."""

    def __init__(self, face: Face) -> None:
        self._face = face

    async def Rerank(self, request: pb.RerankRequest, context: Context) -> pb.RerankResponse:
        return await self._face.one(self._rerank, request, context)

    async def _rerank(self, request: pb.RerankRequest, deadline: float) -> tuple[pb.RerankResponse, Usage]:
        ranks, took = await self._face.models.rerank(
            request.query, request.texts, tei_messages.cut(request), deadline, raw_scores=request.raw_scores
        )
        return tei_messages.ranked(ranks, request.texts if request.return_text else None, took), took

    async def RerankStream(
        self, requests: AsyncIterable[pb.RerankStreamRequest], context: Context
    ) -> pb.RerankResponse:
        began, deadline = time.perf_counter(), self._face.deadlines.of_stream(context)
        served, pairs = self._face.models, tei_messages.Pairs()

        async def checked() -> AsyncIterator[pb.RerankStreamRequest]:
            async for request in requests:
                pairs.add(request)
                served.check_stream(pairs.count, pairs.kept_bytes)
                yield request

        async def score(request: pb.RerankStreamRequest) -> tuple[models.Floats, Usage]:
            ask = partial(served.predict, [(request.query, request.text)], tei_messages.cut(request), deadline)
            with named({"inputs[0][0]": "query", "inputs[0][1]": "text", "inputs[0]": "text"}):
                return await patiently(ask, deadline)

        async def keep(scored: tuple[models.Floats, Usage]) -> None:
            pairs.scored.append(scored)

        await ordered.each(checked(), score, keep)
        served.check_stream(pairs.count, pairs.kept_bytes)
        logits = np.concatenate([logits for logits, _ in pairs.scored])
        took = usage.together([took for _, took in pairs.scored], time.perf_counter() - began)
        return tei_messages.ranked(models.ranks(logits, raw_scores=pairs.raw_scores), pairs.texts, took)


class Tokenize(pb_grpc.TokenizeServicer):
    """The service tei.v1.Tokenize."""

    def __init__(self, face: Face) -> None:
        self._face = face

    async def Tokenize(self, request: pb.EncodeRequest, context: Context) -> pb.EncodeResponse:
        return await self._face.one(self._tokenize, request, context)

    async def TokenizeStream(self, requests: AsyncIterable[pb.EncodeRequest], context: Context) -> None:
        await self._face.each(self._tokenize, requests, context)

    async def Decode(self, request: pb.DecodeRequest, context: Context) -> pb.DecodeResponse:
        return await self._face.one(self._decode, request, context)

    async def DecodeStream(self, requests: AsyncIterable[pb.DecodeRequest], context: Context) -> None:
        await self._face.each(self._decode, requests, context)

    async def _tokenize(self, request: pb.EncodeRequest, _deadline: float) -> tuple[pb.EncodeResponse, None]:
        with named({"inputs[0]": "inputs"}):
            (pieces,) = await self._face.models.tokenize(
                [request.inputs],
                self._face.models.main,
                add_special_tokens=request.add_special_tokens,
                prompt_name=request.prompt_name if request.HasField("prompt_name") else None,
            )
        return pb.EncodeResponse(tokens=map(tei_messages.token, pieces)), None

    async def _decode(self, request: pb.DecodeRequest, _deadline: float) -> tuple[pb.DecodeResponse, None]:
        with named({"ids[0]": "ids"}):
            (text,) = await self._face.models.decode(
                [request.ids], self._face.models.main, skip_special_tokens=request.skip_special_tokens
            )
        return pb.DecodeResponse(text=text), None
