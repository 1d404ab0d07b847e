"""The cache of what was computed: bounded, least recently used first out, counted."""

from hypothesis import given
from hypothesis import strategies as st

from shortlist.server.inference.caches import ENTRY_BYTES, Cache


def test_what_was_used_last_stays():
    """Where room is short, the entry that was not asked for longest leaves."""
    cache = Cache(2 * (ENTRY_BYTES + 10))
    cache.put("a", 1, 10)
    cache.put("b", 2, 10)
    assert cache.get("a") == 1
    cache.put("c", 3, 10)
    assert [cache.get(key) for key in "abc"] == [1, None, 3]
    assert (cache.hits, cache.misses) == (3, 1)


def test_off():
    """Without bytes nothing is kept, and nothing is counted."""
    cache = Cache(0)
    cache.put("a", 1, 0)
    assert (cache.get("a"), len(cache), cache.hits, cache.misses) == (None, 0, 0, 0)


def test_what_is_too_large_is_not_kept():
    """An entry larger than the whole cache pushes nothing out."""
    cache = Cache(1000)
    cache.put("a", 1, 10)
    cache.put("b", 2, 1000)
    assert (cache.get("a"), cache.get("b")) == (1, None)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 500)), max_size=200), st.integers(1, 5000))
def test_the_bound_is_kept(puts: list[tuple[int, int]], most: int):
    """Whatever is put, the bytes of what is there are counted right and never beyond the bound."""
    cache: Cache[int] = Cache(most)
    sizes: dict[int, int] = {}
    for key, size in puts:
        cache.put(key, key, size)
        if size + ENTRY_BYTES <= most:
            sizes[key] = size + ENTRY_BYTES
        assert cache.bytes <= most
    held = [key for key in sizes if cache.get(key) is not None]
    assert cache.bytes == sum(sizes[key] for key in held)
    assert len(cache) == len(held)
