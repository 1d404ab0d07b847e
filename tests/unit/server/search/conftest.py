"""A pipeline over real parts, with the tiny models."""

from collections.abc import Callable

import pytest

from shortlist.server.app import Components
from shortlist.server.search.pipeline import Pipeline
from shortlist.server.search.query import Found, Query
from two_stages import DOCUMENTS, ENTRIES, LONG_S, now


@pytest.fixture
def pipeline(components: Components) -> Pipeline:
    """Return a pipeline without collections."""
    return components.pipeline


@pytest.fixture
def filled(components: Components) -> Callable:
    """Return what makes a collection of the first documents."""

    async def fill(count: int) -> None:
        await components.pipeline.contents.create("c", exist_ok=False)
        done = await components.pipeline.upsert("c", DOCUMENTS[:count], now(components) + LONG_S)
        assert done.inserted == count
        components.pipeline.contents.collection("c").settle()  # until then words rank a little otherwise

    return fill


@pytest.fixture
def search(components: Components) -> Callable:
    """Return what searches `c` for the first topic, with so many seconds to go."""

    async def ask(left_s: float = LONG_S, text: str = ENTRIES[0].query, **asked: object) -> Found:
        return await components.pipeline.search(
            Query(collection="c", text=text, deadline=now(components) + left_s, **asked)
        )

    return ask
