"""A rerank of texts that the caller brings, over real parts with the tiny models."""

import numpy as np
import pytest

from shortlist.server import fusion
from shortlist.server.app import Components
from shortlist.server.errors import InvalidRequest
from shortlist.server.inference.lanes import Lane
from shortlist.server.search.query import Score
from shortlist.texts import shipped

QUERY, TEXTS = shipped.entries()[0].query, [entry.text for entry in shipped.entries()[:6]]
LONG_S = 1000.0


async def test_the_best_come_first(components: Components):
    """Results stand by the sigmoid of the model's logit, with each one's place in the request; top_k cuts them."""
    pipeline, deadline = components.pipeline, components.scheduler.clock() + LONG_S
    logits = (await pipeline.scorer.score(QUERY, TEXTS, deadline)).logits
    ranked = await pipeline.rerank(QUERY, TEXTS, deadline)
    expected = [(int(place), fusion.scores(logits)[place]) for place in np.argsort(-logits, kind="stable")]
    assert [one.index for one in ranked.results] == [place for place, _ in expected]
    assert [one.score for one in ranked.results] == pytest.approx([score for _, score in expected], abs=1e-6)
    assert (ranked.reranked, ranked.degraded, ranked.timing.spent.infer_s > 0) == (6, "none", True)
    first = await pipeline.rerank(QUERY, TEXTS, deadline, top_k=2)
    assert ([one.index for one in first.results], first.reranked) == ([place for place, _ in expected[:2]], 6)


async def test_texts_that_are_brought_are_not_kept(components: Components):
    """Texts of no collection are run again when they come again, and get the same scores."""
    pipeline, deadline = components.pipeline, components.scheduler.clock() + LONG_S
    first = await pipeline.rerank(QUERY, TEXTS, deadline)
    before = components.scheduler.statistics().runs[Lane.RERANK]
    assert (await pipeline.rerank(QUERY, TEXTS, deadline)).results == first.results
    assert components.scheduler.statistics().runs[Lane.RERANK] > before


async def test_a_deadline_that_is_over(components: Components):
    """What was not scored stands in the order of the request, without a score, and the answer says why."""
    ranked = await components.pipeline.rerank(QUERY, TEXTS, components.scheduler.clock() - 1)
    assert ranked.results == [Score(place, None, None) for place in range(6)]
    assert (ranked.reranked, ranked.degraded) == (0, "deadline")


@pytest.mark.parametrize(("query", "texts", "top_k", "field"), [
    (" ", TEXTS, None, "query"), (QUERY, [], None, "documents"), (QUERY, ["a", ""], None, "documents[1]"),
    (QUERY, TEXTS, 0, "top_k"),
])  # fmt: skip
async def test_what_is_outside_its_limits(
    components: Components, query: str, texts: list[str], top_k: int | None, field: str
):
    """A value outside its limits is refused by its field, before a model runs."""
    with pytest.raises(InvalidRequest) as refused:
        await components.pipeline.rerank(query, texts, components.scheduler.clock() + LONG_S, top_k)
    assert (refused.value.field, sum(components.scheduler.statistics().runs)) == (field, 0)
