"""Requests of random kinds and lengths: embeds, reranks, searches, upserts into a bounded set of ids, and deletes."""

import math
import random
from typing import TYPE_CHECKING, Any

import grpc

from shortlist.bench.load import Send
from shortlist.bench.samples import Reply
from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto.retrieval_pb2_grpc import InferenceStub, RetrievalStub

from .lengths import Cutter

if TYPE_CHECKING:
    from collections.abc import Callable

COLLECTION = "soak"
_SHARES = {"embed": 3, "rerank": 2, "dense": 3, "search": 1, "upsert": 2, "delete": 1}
_MOST_TEXTS = 2  # of a request: many requests are wanted, not much work
_CANDIDATES = 2  # of a search with both stages


class Sender:
    """A source of requests of random kinds and lengths."""

    def __init__(
        self,
        opened: grpc.aio.Channel,
        cutters: tuple[Cutter, Cutter],
        windows: tuple[int, int],
        *,
        ids: int,
        timeout_s: float,
        seed: int,
    ) -> None:
        """Cut texts; the first of a pair is the embedder's. `ids` is how many ids documents have."""
        inference, retrieval = InferenceStub(opened), RetrievalStub(opened)
        self._cutters, self._windows = cutters, windows
        self._ids_in_all, self._timeout_s = ids, timeout_s
        self._rng = random.Random(seed)  # noqa: S311 (repeatable, no secret)
        self._kinds: dict[str, tuple[Any, Callable[[], Any]]] = {
            "embed": (inference.Embed, self._embed),
            "rerank": (inference.Rerank, self._rerank),
            "dense": (retrieval.Search, lambda: self._search(pb.MODE_DENSE)),
            "search": (retrieval.Search, lambda: self._search(pb.MODE_TWO_STAGE)),
            "upsert": (retrieval.Upsert, self._upsert),
            "delete": (retrieval.Delete, lambda: pb.DeleteRequest(collection=COLLECTION, ids=self._ids())),
        }

    def prepare(self) -> Send:
        """Make the next request."""
        (kind,) = self._rng.choices(list(_SHARES), list(_SHARES.values()))
        call, make = self._kinds[kind]
        request = make()

        async def send() -> Reply:
            try:
                await call(request, timeout=self._timeout_s)
            except grpc.aio.AioRpcError as error:
                return Reply(kind, status=error.code().name)
            return Reply(kind)

        return send

    def _embed(self) -> pb.EmbedRequest:
        kind = self._rng.choice((pb.TEXT_KIND_QUERY, pb.TEXT_KIND_DOCUMENT))
        return pb.EmbedRequest(texts=self._texts(), kind=kind)

    def _rerank(self) -> pb.RerankRequest:
        return pb.RerankRequest(query=self._text(reranker=True), documents=self._texts(reranker=True))

    def _search(self, mode: "pb.Mode.ValueType") -> pb.SearchRequest:
        request = pb.SearchRequest(collection=COLLECTION, query=self._text(), mode=mode, top_k=_CANDIDATES)
        if mode == pb.MODE_TWO_STAGE:
            request.candidates = _CANDIDATES
        return request

    def _upsert(self) -> pb.UpsertRequest:
        documents = [pb.Document(id=name, text=self._text()) for name in self._ids()]
        return pb.UpsertRequest(collection=COLLECTION, documents=documents)

    def _ids(self) -> list[str]:
        count = min(self._rng.randint(1, _MOST_TEXTS), self._ids_in_all)
        return list(map(str, self._rng.sample(range(self._ids_in_all), count)))

    def _texts(self, *, reranker: bool = False) -> list[str]:
        return [self._text(reranker=reranker) for _ in range(self._rng.randint(1, _MOST_TEXTS))]

    def _text(self, *, reranker: bool = False) -> str:
        """Return a text whose length is log-uniform from one token to the window."""
        tokens = round(math.exp(self._rng.uniform(0, math.log(self._windows[reranker]))))
        return self._cutters[reranker].cut(tokens)
