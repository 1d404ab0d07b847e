"""Products that are no packages: their requests as recorded, against the demo's models."""

import pytest

from recorded_bodies import EMBEDS, LOOKUPS, RERANKS, RIGHT, Recorded


def by_product(recorded: tuple[Recorded, ...]) -> list:
    """Return each request as a parameter, with the mark of its product."""
    return [
        pytest.param(
            one,
            marks=pytest.mark.client(one.product, points=one.pointed, version=one.version),
            id=f"{one.product} {one.path}",
        )
        for one in recorded
    ]


@pytest.mark.parametrize("recorded", by_product(RERANKS))
def test_rerank(recorded, origin, truth):
    """Reranking, its answer read as the product reads it."""
    found = recorded.replay(origin)
    if recorded.logits:
        assert [index for index, _ in found] == [index for index, _ in truth.ranking]
        assert [logit for _, logit in found] == pytest.approx(truth.logits, rel=1e-5)
    else:
        truth.assert_ranking(found)


@pytest.mark.parametrize("recorded", by_product(EMBEDS))
def test_embed(recorded, origin, truth):
    """Embeddings."""
    assert recorded.replay(origin) == pytest.approx(truth.vectors[RIGHT], abs=1e-6)


@pytest.mark.parametrize("recorded", by_product(LOOKUPS))
def test_look_up(recorded, origin):
    """What it asks of a model before it is used."""
    assert recorded.replay(origin) == recorded.expected
