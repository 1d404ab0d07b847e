"""The served variants beside fp32, on real graphs: one quantized on the spot, and its original."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import varying as quantized
from fake_call import CALL
from shortlist.proto import retrieval_pb2 as pb
from shortlist.server import app, fusion
from shortlist.server.errors import BundleError
from shortlist.server.inference.lanes import Lane
from shortlist.server.inference.result import Result
from shortlist.server.rpc.deadlines import Deadlines
from shortlist.server.rpc.inference import Inference, describe
from shortlist.server.runtime.graph import Graph
from shortlist.server.search import fp32
from shortlist.server.search.query import Query
from shortlist.server.settings import Settings
from two_stages import DOCUMENTS, ENTRIES, EVERYTHING, LONG_S, now

COUNT = 30


@pytest.fixture
def build(varying, tmp_path: Path) -> Callable[..., app.Components]:
    """Return what builds a server's parts that serve the quantized variants, with further settings."""

    def built(**settings: object) -> app.Components:
        variants = {"embedder_variant": quantized.VARIANT, "reranker_variant": quantized.VARIANT}
        models = {"embedder": varying.embedder, "reranker": varying.reranker}
        return app.build(Settings(**models | variants | settings, data=tmp_path, slots=1, auto_budget_ms=1e6))

    return built


async def searched(components: app.Components, count: int, mode: str = "auto") -> None:
    """Search a collection, which is made at first, for one topic after another."""
    pipeline = components.pipeline
    if not pipeline.contents.collections():
        await pipeline.contents.create("c", exist_ok=False)
        await pipeline.upsert("c", DOCUMENTS[:COUNT], now(components) + LONG_S)
    for entry in ENTRIES[:count]:
        deadline = now(components) + LONG_S
        await pipeline.search(
            Query(collection="c", text=entry.query, deadline=deadline, mode=mode, margin=EVERYTHING)
        )
        await pipeline.fp32.settled()


async def test_both_models_are_compared(build: Callable[..., app.Components]):
    """What is told is what the two graphs of each bundle give for these texts, and it is made in the ingest lane."""
    with closing(build(compare_fp32=True)) as components:
        before = components.scheduler.statistics().runs[Lane.INGEST]
        pipeline = components.pipeline
        assert pipeline.fp32.embedder == pipeline.fp32.scorer == fp32.Agreement()
        await searched(components, 5)
        assert components.scheduler.statistics().runs[Lane.INGEST] > before
        assert (pipeline.fp32.embedder.samples, pipeline.fp32.scorer.samples) == (5, 5)
        exact = await pipeline.fp32._scorer.model()
        common, differences = [], []
        for entry in ENTRIES[:5]:
            texts = [one.content for one in DOCUMENTS[:COUNT]]
            pairs = exact.tokenizer.encode_pairs(entry.query, texts)
            served, wanted = (graph.run(pairs)[:, 0] for graph in (pipeline.scorer.graph, exact.graph))
            differences.append(np.abs(fusion.scores(served) - fusion.scores(wanted)).max())
            common.append(len({*np.argsort(-served)[:10]} & {*np.argsort(-wanted)[:10]}) / 10)
        assert pipeline.fp32.scorer.difference == pytest.approx(max(differences), abs=0.01)  # runs are batched apart
        assert pipeline.fp32.scorer.common == pytest.approx(np.mean(common), abs=0.1)
        assert pipeline.fp32.scorer.difference > 0
        assert 0 < pipeline.fp32.embedder.difference < 0.2
        assert 0.5 < pipeline.fp32.embedder.common <= 1


async def test_it_is_described(build: Callable[..., app.Components]):
    """Describe has both agreements once there are any, and nothing where nothing is compared."""
    with closing(build(compare_fp32=True)) as components:
        inference = Inference(components.pipeline, Deadlines(30.0, 0.015), describe(components.pipeline, 1, 1))
        described = await inference.Describe(pb.DescribeRequest(), CALL)
        assert described.embedder.HasField("fp32")
        await searched(components, 2)
        described = await inference.Describe(pb.DescribeRequest(), CALL)
        assert described.embedder.fp32.samples == described.reranker.fp32.samples == 2
        assert described.reranker.fp32.common == components.pipeline.fp32.scorer.common
    with closing(build()) as components:
        inference = Inference(components.pipeline, Deadlines(30.0, 0.015), describe(components.pipeline, 1, 1))
        assert not (await inference.Describe(pb.DescribeRequest(), CALL)).embedder.HasField("fp32")


async def test_no_graph_is_loaded_without_a_sample(
    build: Callable[..., app.Components], monkeypatch: pytest.MonkeyPatch
):
    """Unless asked, and before the first search, there is no fp32 graph; the reranker's waits for candidates."""
    loaded = []
    real = Graph.__init__

    def seen(graph: Graph, bundle: object, variant: str, *given: object) -> None:
        loaded.append(variant)
        real(graph, bundle, variant, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Graph, "__init__", seen)
    with closing(build()) as components:
        await searched(components, 3)
        assert loaded == [quantized.VARIANT] * 2
        assert components.pipeline.fp32.embedder is None
    loaded.clear()
    with closing(build(compare_fp32=True)) as components:
        assert loaded == [quantized.VARIANT] * 2
        await searched(components, 3, mode="dense")
        assert loaded == [quantized.VARIANT, quantized.VARIANT, "fp32"]
        await searched(components, 3)
        assert loaded == [quantized.VARIANT, quantized.VARIANT, "fp32", "fp32"]


async def test_fp32_has_nothing_to_be_compared_with(build: Callable[..., app.Components]):
    """A model that is served in fp32 is left out, and the other is compared."""
    with closing(build(compare_fp32=True, reranker_variant="fp32")) as components:
        await searched(components, 2)
        assert components.pipeline.fp32.scorer is None
        assert components.pipeline.fp32.embedder.samples == 2


async def test_after_the_first_ones_a_share_is_compared(build: Callable[..., app.Components]):
    """Sixteen are compared in any case, and further ones if they are samples; with a share of 0 none is."""
    with closing(build(compare_fp32=True, recall_samples=0.0)) as components:
        await searched(components, 25, mode="dense")
        assert components.pipeline.fp32.embedder.samples == 16
        components.pipeline._sampling._share = 1.0
        await searched(components, 3, mode="dense")
        assert components.pipeline.fp32.embedder.samples == 19


async def test_a_graph_that_cannot_be_loaded_stops_no_search(
    build: Callable[..., app.Components], caplog: pytest.LogCaptureFixture, varying
):
    """A damaged fp32 graph is told once in the log, nothing is compared, and searches are answered."""

    def damaged() -> None:
        raise BundleError("fp32.onnx is not as it was exported")

    with closing(build(compare_fp32=True)) as components:
        comparison = fp32.Comparison(damaged, damaged)  # type: ignore[arg-type]
        components.pipeline._two_stages._fp32 = comparison
        await searched(components, 3)
        assert comparison.embedder is comparison.scorer is None
    told = [one.getMessage() for one in caplog.records if "could not be compared" in one.getMessage()]
    assert (
        told == ["a search could not be compared with fp32: fp32.onnx is not as it was exported"] * 2
    )  # one a model


async def test_one_at_a_time(build: Callable[..., app.Components]):
    """Searches that end while another is being compared are left out."""
    with closing(build(compare_fp32=True)) as components:
        await searched(components, 1)
        offered = []
        compare = components.pipeline.fp32._compare

        async def counted(answered: fp32.Answered) -> None:
            offered.append(answered)
            await compare(answered)

        components.pipeline.fp32._compare = counted  # type: ignore[method-assign]
        answered = fp32.Answered("a query", *_answer(components))
        for _ in range(5):
            components.pipeline.fp32.offer(answered, sampled=True)
        await components.pipeline.fp32.settled()
        assert len(offered) == 1


def _answer(components: app.Components) -> tuple[object, ...]:
    """Return what was searched, the query's vector, no candidates that stage two read, and whose the vector is."""
    collection = components.pipeline.contents.collection("c")
    made_by = collection.origin
    return collection, np.ones(made_by.dimensions, np.float32), [], Result.empty(0, 1), made_by.fingerprint
