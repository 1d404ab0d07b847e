"""`ShortlistRerank`: stage two by itself, on nodes from anywhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import llama_index.core.instrumentation as instrument
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle

from shortlist.client import Clients, RerankResult

_dispatcher = instrument.get_dispatcher(__name__)  # type: ignore[attr-defined]  # what LlamaIndex's packages call


class ShortlistRerank(BaseNodePostprocessor):
    """Nodes ordered by how well they answer a query, as the server's cross-encoder reads both.

        ShortlistRerank(top_n=3).postprocess_nodes(nodes, query_str="what is France's capital?")

    A score is 0 to 1, and does not depend on the nodes beside it; None where the deadline came before the node was
    read, and then where a node has no text. Such nodes follow the others.
    """

    model: str = Field(default="shortlist", description="What events call the model; the server has one.")
    top_n: int = Field(default=5, gt=0, description="Nodes to return.")
    address: str | None = Field(
        default=None,
        description="`host:port` of the server; None: what SHORTLIST_ADDRESS says, or else 127.0.0.1:50051.",
    )
    timeout_s: float = Field(default=30.0, description="Seconds that each call to the server may take.")

    _clients: Clients = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Prepare to call the server; nothing is sent yet."""
        super().model_post_init(context)
        self._clients = Clients(self.address, timeout_s=self.timeout_s)

    @classmethod
    def class_name(cls) -> str:
        """Return the class's name, by which it is serialized."""
        return "ShortlistRerank"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _query(query_bundle)
        with self._told(nodes, query) as ordered:
            read, blank = _parted(nodes)
            if read:
                found = self._clients.blocking().rerank(query.query_str, _texts(read), self._most(read))
                ordered.extend(_ordered(read, found))
            ordered.extend(blank[: self.top_n - len(ordered)])
        return ordered

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _query(query_bundle)
        with self._told(nodes, query) as ordered:
            read, blank = _parted(nodes)
            if read:
                client = self._clients.of_loop()
                found = await client.rerank(query.query_str, _texts(read), self._most(read))
                ordered.extend(_ordered(read, found))
            ordered.extend(blank[: self.top_n - len(ordered)])
        return ordered

    @contextmanager
    def _told(self, nodes: list[NodeWithScore], query: QueryBundle) -> Iterator[list[NodeWithScore]]:
        """Tell LlamaIndex's observers that nodes are reranked, and into what: the list that this yields."""
        ordered: list[NodeWithScore] = []
        _dispatcher.event(ReRankStartEvent(query=query, nodes=nodes, top_n=self.top_n, model_name=self.model))
        payload: dict[str, Any] = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: self.model,
            EventPayload.QUERY_STR: query.query_str,
            EventPayload.TOP_K: self.top_n,
        }
        with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
            yield ordered
            event.on_end(payload={EventPayload.NODES: ordered})
        _dispatcher.event(ReRankEndEvent(nodes=ordered))

    def _most(self, nodes: list[NodeWithScore]) -> int:
        return min(self.top_n, len(nodes))


def _query(given: QueryBundle | None) -> QueryBundle:
    """Return the query.

    Raises:
        ValueError: there is none.
    """
    if given is None:
        raise ValueError("nodes are reranked for a query, and none was given; pass query_bundle or query_str")
    return given


def _parted(nodes: list[NodeWithScore]) -> tuple[list[NodeWithScore], list[NodeWithScore]]:
    """Return the nodes that have something to read, and the others without their scores."""
    texts = _texts(nodes)
    read = [one for one, text in zip(nodes, texts, strict=True) if text.strip()]
    return read, [NodeWithScore(node=one.node) for one, text in zip(nodes, texts, strict=True) if not text.strip()]


def _texts(nodes: list[NodeWithScore]) -> list[str]:
    return [one.node.get_content(metadata_mode=MetadataMode.EMBED) for one in nodes]


def _ordered(nodes: list[NodeWithScore], result: RerankResult) -> list[NodeWithScore]:
    return [NodeWithScore(node=nodes[one.index].node, score=one.score) for one in result.results]
