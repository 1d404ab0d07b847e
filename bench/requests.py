"""The requests of a load on a Shortlist server: what each kind sends, and what its answers say.

They go over one connection, and are sent once: what the server refuses is counted, not tried again.
"""

import asyncio
import itertools
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import grpc

from shortlist.client import channel, errors
from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto.retrieval_pb2_grpc import InferenceStub, RetrievalStub

from .kinds import KINDS, SERVER_PARTS, Name
from .load import Prepare, Send
from .samples import Reply
from .texts import Draw


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How large requests are, and which collections they go to."""

    passages: int = 50  # of a rerank, and candidates of a search
    texts: int = 1  # of an embed
    text_kind: Literal["query", "document"] = "query"
    batch: int = 32  # documents of an ingest
    top_k: int = 10  # hits of a search
    include_text: bool = True  # of the hits
    timeout_s: float = 30.0
    searched: str = ""  # collection
    filled: str = ""  # collection
    ids: int = 0  # that documents of an ingest take in turns; 0: each has its own


def connect(address: str) -> grpc.aio.Channel:
    """Return a channel that tries nothing again."""
    return grpc.aio.insecure_channel(address, options=[*channel.plain(address), ("grpc.enable_retries", 0)])


class Requests:
    """The source of requests of every kind, ready to be sent over one channel."""

    def __init__(self, opened: grpc.aio.Channel, draw: Draw, shape: Shape) -> None:
        """Draw texts from `draw`; ids of documents count up from 0."""
        retrieval, inference = RetrievalStub(opened), InferenceStub(opened)
        self._draw = draw
        self._shape = shape
        self._ids = itertools.count()
        self._kinds: dict[Name, tuple[Any, Any]] = {
            "rerank": (inference.Rerank, self._rerank),
            "embed": (inference.Embed, self._embed),
            "dense": (retrieval.Search, self._dense),
            "search": (retrieval.Search, self._search),
            "ingest": (retrieval.Upsert, self._ingest),
        }

    def prepare(self, kind: Name) -> Send:
        """Make the next request of a kind."""
        call, make = self._kinds[kind]
        request = make()
        timeout_s, now = self._shape.timeout_s, asyncio.get_running_loop().time

        async def send() -> Reply:
            sent_s = now()
            try:
                response = await call(request, timeout=timeout_s)
            except grpc.aio.AioRpcError as error:
                return Reply(kind, status=error.code().name)
            return _reply(kind, request, response, 1000 * (now() - sent_s))

        return send

    async def attempt(self, kinds: Iterable[Name], timeout_s: float) -> None:
        """Send one request of each kind, which is not measured.

        Raises:
            ShortlistError: the server refuses it, and would refuse all others.
        """
        for kind in kinds:
            call, make = self._kinds[kind]
            try:
                await call(make(), timeout=timeout_s)
            except grpc.aio.AioRpcError as error:
                raise errors.of_rpc(error, timeout_s) from error

    def _rerank(self) -> pb.RerankRequest:
        query, passages = self._draw.ranking(self._shape.passages)
        return pb.RerankRequest(query=query, documents=passages)

    def _embed(self) -> pb.EmbedRequest:
        is_query = self._shape.text_kind == "query"
        draw = self._draw.query if is_query else self._draw.passage
        return pb.EmbedRequest(
            texts=[draw() for _ in range(self._shape.texts)],
            kind=pb.TEXT_KIND_QUERY if is_query else pb.TEXT_KIND_DOCUMENT,
        )

    def _dense(self) -> pb.SearchRequest:
        return pb.SearchRequest(
            collection=self._shape.searched,
            query=self._draw.query(),
            mode=pb.MODE_DENSE,
            top_k=self._shape.top_k,
            include_text=self._shape.include_text,
        )

    def _search(self) -> pb.SearchRequest:
        request = self._dense()
        request.mode = pb.MODE_TWO_STAGE
        request.candidates = self._shape.passages
        return request

    def _ingest(self) -> pb.UpsertRequest:
        texts = [self._draw.passage() for _ in range(self._shape.batch)]
        numbers = (number % self._shape.ids if self._shape.ids else number for number in self._ids)
        documents = [pb.Document(id=str(number), text=text) for text, number in zip(texts, numbers, strict=False)]
        return pb.UpsertRequest(collection=self._shape.filled, documents=documents)


def _reply(kind: Name, request: Any, response: Any, elapsed_ms: float) -> Reply:
    """Return what an answer says; `server` and `client` are what no part of theirs accounts for."""
    timing = response.timing
    parts = {part: getattr(timing, f"{part}_ms") for part in KINDS[kind].parts}
    known = sum(getattr(timing, f"{part}_ms") for part in SERVER_PARTS)
    parts["server"] = timing.total_ms - known
    parts["client"] = elapsed_ms - timing.total_ms
    degraded = kind in {"rerank", "search"} and response.degraded != pb.DEGRADED_NONE
    return Reply(kind, items=_items(kind, request, response), degraded=degraded, parts_ms=parts)


def _items(kind: Name, request: Any, response: Any) -> int:
    """Return how many pairs, texts or documents the server had to compute."""
    match kind:
        case "rerank" | "search":
            return int(response.reranked)
        case "embed":
            return len(request.texts)
        case "dense":
            return 1
        case "ingest":
            return int(response.inserted + response.updated)


def mixed(requests: Requests, shares: Mapping[Name, int], seed: int) -> Prepare:
    """Prepare requests of several kinds: in every `sum(shares)` of them each kind has its share, in random order."""
    rng = random.Random(seed)  # noqa: S311 (repeatable, no secret)
    deck: list[Name] = []

    def prepare() -> Send:
        if not deck:
            deck.extend(kind for kind, share in shares.items() for _ in range(share))
            rng.shuffle(deck)
        return requests.prepare(deck.pop())

    return prepare
