"""What tests of clients share: where the server is, and what it answers over gRPC, which is what each must find.

Every test says by the marker `client` whose client it runs. `clients_table.py` makes the table of docs/clients.md out
of those that passed.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from recorded_bodies import PASSAGES, QUERY, RIGHT
from shortlist.client import Client

pytest_plugins = ("clients_table",)

# Tests talk to nobody else: prices of models come with the package, and no use is reported.
os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HAYSTACK_TELEMETRY_ENABLED": "False"}


@dataclass(frozen=True, slots=True)
class Truth:
    """What shortlist.v1 answers over gRPC: QUERY beside PASSAGES, and their vectors."""

    ranking: list[tuple[int, float]]  # places and scores, best first
    logits: list[float]
    query: Sequence[float]
    vectors: Sequence[Sequence[float]]

    def assert_ranking(self, found: Sequence[tuple[int, float]]) -> None:
        """Compare places and scores, best first, with it; the right passage is the first."""
        assert found[0][0] == RIGHT
        assert [index for index, _ in found] == [index for index, _ in self.ranking[: len(found)]]
        assert [score for _, score in found] == pytest.approx(
            [score for _, score in self.ranking[: len(found)]], rel=1e-6
        )


@pytest.fixture(scope="session")
def origin() -> str:
    """Return the URL of the server, as `with_server.py` tells it."""
    return os.environ["SHORTLIST_HTTP"]


@pytest.fixture(scope="session")
def address() -> str:
    """Return the server's address for gRPC."""
    return os.environ["SHORTLIST_ADDRESS"]


@pytest.fixture(scope="session")
def shortlist(address: str) -> Iterator[Client]:
    """Return the server's own client."""
    with Client(address, timeout_s=60) as opened:
        yield opened


@pytest.fixture(scope="session")
def truth(shortlist: Client) -> Truth:
    """Ask the server over gRPC."""
    ranked = shortlist.rerank(QUERY, PASSAGES)
    return Truth(
        [(one.index, one.score) for one in ranked.results],
        [one.logit for one in ranked.results],
        shortlist.embed([QUERY], kind="query", normalize=True).vectors[0],
        shortlist.embed(PASSAGES, normalize=True).vectors,
    )
