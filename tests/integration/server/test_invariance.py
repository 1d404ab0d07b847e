"""A score never depends on strangers: bit for bit the same alone and among 200 others from 16 clients."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shortlist.bench import local
from shortlist.client import Client

CLIENTS = 16
OTHERS = 200
WORDS = ("shortlist", "rank", "query", "passage", "vector", "score", "slot", "lane", "copper", "river", "thirty")


def text(rng: random.Random) -> str:
    """Return a text of 1 to 16 words."""
    return " ".join(rng.choices(WORDS, k=rng.randint(1, 16)))


@pytest.mark.parametrize(
    ("models", "variant"),
    [
        *((models, variant) for models in ("tiny", "bundles") for variant in ("fp32", "int8-token")),
        ("varying", "dynamic"),
    ],
)
def test_bit_for_bit(request: pytest.FixtureRequest, tmp_path: Path, models: str, variant: str):
    """Scores and vectors are the same to the last bit, asked for alone or in a crowd, for every variant."""
    rng = random.Random(11)
    query, mine = "which passage is best", [text(rng) for _ in range(8)]
    both = request.getfixturevalue(models)
    bundles = ("--embedder", str(both.embedder), "--reranker", str(both.reranker))
    variants = ("--embedder-variant", variant, "--reranker-variant", variant)
    with (
        local.serving(*bundles, *variants, "--data", str(tmp_path), "--log-level", "warning") as address,
        Client(address, timeout_s=100) as client,
    ):
        alone = [client.rerank(query, [each]).results[0].score for each in mine]
        vectors = [client.embed([each]).vectors[0] for each in mine]

        def crowd(seed: int) -> None:
            """Ask, as one client among many, for my texts among others; compare."""
            own = random.Random(seed)
            texts = [*mine, *(text(own) for _ in range(OTHERS))]
            order = own.sample(range(len(texts)), len(texts))
            ranked = client.rerank(query, [texts[place] for place in order]).results
            scores = {order[entry.index]: entry.score for entry in ranked}
            assert [scores[place] for place in range(len(mine))] == alone
            assert list(client.embed(mine).vectors) == vectors

        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(crowd, range(CLIENTS)))
