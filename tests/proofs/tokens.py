"""Token vectors in the proofs: waited for over the wire, and held to their texts on disk.

A late-interaction model on a CPU makes the same vectors of a text each time. So what a collection's file has of a
document must be, byte for byte, what the model makes of the text that stands beside it.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shortlist.client import Client
from shortlist.server import app
from shortlist.server.search.token_source import TokenSource
from shortlist.server.settings import Settings
from shortlist.server.storage import maxsim
from shortlist.server.storage.collection import Collection
from shortlist.server.storage.listing import Page

_LONG_S = 600.0
_AT_ONCE = 64


def wait_until_ready(client: Client) -> None:
    """Wait until every document of all collections has the token vectors that it is to have.

    Raises:
        AssertionError: they cannot be made, or are not in ten minutes.
    """
    ends = time.monotonic() + _LONG_S
    while True:
        found = [one.token_vectors for one in client.list_collections()]
        assert all(one.state != "unusable" for one in found), found
        if all(one.state in {"ready", "none"} for one in found):
            return
        assert time.monotonic() < ends, found


def assert_own(models: Sequence[str], data: Path) -> int:
    """Check that each document in a data folder has the token vectors of its own text, and return how many have.

    Raises:
        AssertionError: one has others, or none.
    """
    chosen = dict(zip(models[::2], models[1::2], strict=True))
    paths = {
        name: Path(chosen[f"--{name.replace('_', '-')}"]) for name in ("embedder", "reranker", "late_interaction")
    }
    components = app.build(Settings(**paths, data=data, slots=1))
    try:
        source = TokenSource(components.pipeline.late_interaction)
        collections = components.pipeline.contents.collections()
        return sum(asyncio.run(_compared(source, one)) for one in collections)
    finally:
        components.close()


async def _compared(source: TokenSource, collection: Collection) -> int:
    """Compare those of one collection."""
    if not collection.token_vectors.wanted:
        return 0
    there = dict(collection.page(Page(size=1 << 20, most_bytes=1 << 40))[0])
    numbers = list(there)
    for start in range(0, len(numbers), _AT_ONCE):
        some = numbers[start : start + _AT_ONCE]
        found, blobs = collection._documents.token_rows(np.array(some, np.int64))
        assert sorted(found.tolist()) == some, f"{collection.name}: documents without token vectors"
        texts = [there[number].content for number in found.tolist()]
        made = await source.make(texts, collection.token_vectors.pooling, time.monotonic() + _LONG_S, whole=True)
        for number, vectors, blob in zip(found.tolist(), made.vectors, blobs, strict=True):
            assert maxsim.packed(vectors) == blob, f"{collection.name}: {there[number].id} has another text's"
    return len(numbers)
