"""The services of tei.v1 on a pipeline without a server: which of them wait where the queue is full."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from fake_call import Call
from shortlist.proto import tei_pb2 as pb
from shortlist.server.app import Components
from shortlist.server.errors import InvalidRequest, Overloaded
from shortlist.server.inference.result import Spent
from shortlist.server.rpc import tei_messages
from shortlist.server.rpc.deadlines import Deadlines
from shortlist.server.rpc.tei import Embed, Face, Info, Rerank
from shortlist.server.tei.models import Models
from shortlist.server.tei.usage import Usage


class Written(Call):
    """A call that keeps what is written to it."""

    def __init__(self, left_s: float | None = 100.0) -> None:
        super().__init__(left_s)
        self.messages: list[Any] = []
        self.headers: dict[str, str] = {}

    async def write(self, message: Any) -> None:
        self.messages.append(message)

    async def send_initial_metadata(self, headers: tuple[tuple[str, str], ...]) -> None:
        self.headers |= headers


async def sent(*messages: Any) -> AsyncIterator[Any]:
    """Send messages, as a caller's stream."""
    for message in messages:
        yield message


@pytest.fixture
def face(components: Components, monkeypatch: pytest.MonkeyPatch) -> Face:
    """Return the services on a pipeline whose queue is full for every other request."""
    pipeline = components.pipeline
    for name in ("embed", "rerank", "predict"):
        monkeypatch.setattr(pipeline, name, _every_other_time(getattr(pipeline, name)))
    return Face(Models(pipeline, "embedder", 4800), Deadlines(30.0, 0.015))


def _every_other_time(call: Any) -> Any:
    asked = []

    async def ask(*given: Any, **named: Any) -> Any:
        asked.append(given)
        if len(asked) % 2:
            raise Overloaded("the queue is full", 1)
        return await call(*given, **named)

    return ask


async def test_a_call_is_refused_and_tells_nothing_in_headers(face: Face):
    """A single text gets the error that says when to come back, and its vector when it does."""
    call = Written()
    with pytest.raises(Overloaded):
        await Embed(face).Embed(pb.EmbedRequest(inputs="a"), call)
    assert call.headers == {}
    assert len((await Embed(face).Embed(pb.EmbedRequest(inputs="a"), call)).embeddings) > 0
    assert call.headers["x-compute-characters"] == "1"


@pytest.mark.parametrize("left_s", [100.0, None])
async def test_streams_wait(face: Face, left_s: float | None):
    """All messages of a stream are answered in the end, with a deadline or without, and without headers."""
    call = Written(left_s)
    await Embed(face).EmbedStream(sent(*[pb.EmbedRequest(inputs=text) for text in "abcd"]), call)
    assert [answer.metadata.compute_chars for answer in call.messages] == [1, 1, 1, 1]
    assert call.headers == {}


async def test_ranks_wait(face: Face):
    """Rerank and RerankStream take their turns."""
    whole = await Rerank(face).Rerank(pb.RerankRequest(query="q", texts=["a", "b"]), Written())
    pairs = [pb.RerankStreamRequest(query="q", text=text) for text in "ab"]
    streamed = await Rerank(face).RerankStream(sent(*pairs), Written())
    assert [rank.index for rank in streamed.ranks] == [rank.index for rank in whole.ranks]


async def test_a_pair_at_fault_is_named_as_it_was_sent(face: Face):
    """Of a stream's pair the error says which of its two texts it is, or the text where both together do not fit."""
    for query, text, field in (("", "a", "query"), ("q", " ", "text"), ("q", "word " * 100, "text")):
        with pytest.raises(InvalidRequest) as refused:
            await Rerank(face).RerankStream(sent(pb.RerankStreamRequest(query=query, text=text)), Written())
        assert refused.value.field == field


async def test_numbers_beyond_the_contract(components: Components):
    """Where a setting or a count is more than a field holds, the field has the most that it can."""
    models = Models(components.pipeline, "reranker", 2**40)
    told = await Info(Face(models, Deadlines(30.0, 0.015))).Info(pb.InfoRequest(), Written())
    assert (told.max_concurrent_requests, told.model_type) == (2**32 - 1, pb.MODEL_TYPE_RERANKER)
    assert tei_messages.metadata(Usage(2**40, 7, Spent(), 0.0)).compute_chars == 2**32 - 1
