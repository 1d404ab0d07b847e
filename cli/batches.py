"""What goes into one call of many: so many things, and so many bytes of them, as the server takes."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from shortlist.client.description import Limits

# Far below what a request may hold: a batch is what is sent again when a call fails.
_BYTES = 4 << 20

_Item = TypeVar("_Item")


def batches(items: Iterable[tuple[_Item, int]], size: int, limits: Limits) -> Iterator[list[_Item]]:
    """Yield items, each given with its bytes, in batches of `size` that the server takes; one alone may be larger."""
    most = min(size, limits.max_batch)
    most_bytes = min(_BYTES, limits.max_request_bytes // 2)
    batch: list[_Item] = []
    batch_bytes = 0
    for item, item_bytes in items:
        if batch and (len(batch) == most or batch_bytes + item_bytes > most_bytes):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(item)
        batch_bytes += item_bytes
    if batch:
        yield batch
