"""Texts scored by late interaction, through the pipeline with a tiny model, beside the model run text by text."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from conftest import Bundles
from shortlist.server import app
from shortlist.server.errors import InvalidRequest
from shortlist.server.inference.lanes import Lane
from shortlist.server.runtime import bundle
from shortlist.server.runtime.graph import Graph
from shortlist.server.runtime.late_interaction import TokenReader, maxsim
from shortlist.server.runtime.manifest import TextKind
from shortlist.server.runtime.providers import Target
from shortlist.server.settings import Settings
from two_stages import DOCUMENTS, ENTRIES, LONG_S, now

QUERY, TEXTS = ENTRIES[0].query, [one.text for one in DOCUMENTS[:12]]


@pytest.fixture
def served(tiny: Bundles, tiny_late: Path, tmp_path: Path) -> Iterator[app.Components]:
    """Build what a server is made of, with all three tiny models."""
    models = {"embedder": tiny.embedder, "reranker": tiny.reranker, "late_interaction": tiny_late}
    built = app.build(Settings(**models, data=tmp_path / "data", slots=1))
    yield built
    built.close()


@pytest.fixture
def alone(tiny_late: Path):
    """Return what runs the model on one text, without a server."""
    found = bundle.load(tiny_late, "late-interaction")
    reader, graph = TokenReader.of(found), Graph(found, "fp32", Target(), 0)

    def run(text: str, kind: TextKind) -> np.ndarray:
        (item,) = reader.read([text], kind)
        return reader.merged(reader.kept(item, graph.run([item])[0], kind), kind)

    return run


async def test_token_vectors_as_of_the_model_alone(served: app.Components, alone):
    """Texts have the vectors that the model makes of each by itself; a query that comes again is not run again."""
    model = served.pipeline.late_interaction
    for kind in ("query", "document"):
        made = await model.embed(TEXTS, kind, Lane.INGEST, now(served) + LONG_S)
        assert made.done.all()
        for text, vectors in zip(TEXTS, made.vectors, strict=True):
            np.testing.assert_allclose(vectors, alone(text, kind), atol=1e-6)
    assert not model.is_free(QUERY)
    first = await model.embed([QUERY], "query", Lane.QUERY, now(served) + LONG_S)
    assert model.is_free(QUERY)
    before = served.scheduler.statistics().runs
    again = await model.embed([QUERY], "query", Lane.QUERY, now(served) + LONG_S)
    assert served.scheduler.statistics().runs == before
    np.testing.assert_array_equal(first.vectors[0], again.vectors[0])


async def test_rerank_by_maxsim(served: app.Components, alone):
    """Texts are ordered by MaxSim, which is there as the sum and, as the score, its mean over the query's vectors."""
    ranked = await served.pipeline.rerank(QUERY, TEXTS, now(served) + LONG_S, 5, model="late-interaction")
    asked = alone(QUERY, "query")
    exact = maxsim(asked, [alone(text, "document") for text in TEXTS])
    assert [one.index for one in ranked.results] == np.argsort(-exact, kind="stable")[:5].tolist()
    for one in ranked.results:
        assert one.maxsim == pytest.approx(exact[one.index], abs=1e-5)
        assert one.score == pytest.approx(exact[one.index] / len(asked), abs=1e-6)
        assert one.logit is None
    assert (ranked.reranked, ranked.degraded) == (len(TEXTS), "none")


async def test_texts_that_do_not_fit(served: app.Components):
    """A text longer than its window is counted where it is cut, and refused by its field where it must not be."""
    long = "water " * 1000
    deadline = now(served) + LONG_S
    ranked = await served.pipeline.rerank(QUERY, [TEXTS[0], long], deadline, model="late-interaction")
    assert ranked.truncated >= 1
    for field, query, texts in (("query", long, ["tea"]), (r"documents\[1\]", "tea", ["tea", long])):
        with pytest.raises(InvalidRequest, match=f"^{field}: "):
            await served.pipeline.rerank(query, texts, deadline, truncation="none", model="late-interaction")
