"""Buckets of lengths and batches: few, never smaller than what they hold, never beyond the bounds."""

from hypothesis import given
from hypothesis import strategies as st

from shortlist.server.shapes import Shapes

WINDOWS = st.integers(1, 8192)
BUDGETS = st.integers(0, 1 << 18)


@given(WINDOWS, st.data())
def test_a_bucket_holds_its_length(window: int, data: st.DataObject):
    """A bucket is as long as what it holds, within the window, and pads little: 15 tokens, or a sixteenth."""
    tokens = data.draw(st.integers(1, window))
    length = Shapes(window, bucketed=True).length(tokens)
    assert tokens <= length <= window
    assert length - tokens <= max(15, tokens / 16)


@given(WINDOWS)
def test_buckets_are_few(window: int):
    """A window has 32 buckets up to 512 tokens and 16 for every doubling beyond, and a bucket is its own bucket."""
    shapes = Shapes(window, bucketed=True)
    found = {shapes.length(tokens) for tokens in range(1, window + 1)}
    assert len(found) <= 32 + 16 * max(0, (window - 1).bit_length() - 9) + 1
    assert {shapes.length(length) for length in found} == found


@given(st.integers(1, 512))
def test_every_bucket_is_run_at_start(window: int):
    """Up to 512 tokens no request brings a length that the start has not run."""
    shapes = Shapes(window, bucketed=True)
    assert sorted({shapes.length(tokens) for tokens in range(1, window + 1)}) == shapes.lengths()


@given(WINDOWS, st.booleans())
def test_the_window_is_run_last_at_start(window: int, bucketed: bool):
    """The start runs ever longer lengths, the window last, each as it would be run."""
    shapes = Shapes(window, bucketed=bucketed)
    assert shapes.lengths()[-1] == window
    assert sorted(set(shapes.lengths())) == shapes.lengths()
    assert [shapes.length(length) for length in shapes.lengths()] == shapes.lengths()


@given(WINDOWS, BUDGETS, st.integers(1, 2000), st.booleans())
def test_parts_cover_a_run(window: int, budget: int, count: int, bucketed: bool):
    """A run is cut into parts that hold every item once, in order, none larger than the bounds allow."""
    shapes = Shapes(window, budget, bucketed=bucketed)
    parts = shapes.parts(count)
    assert [place for part in parts for place in range(count)[part]] == list(range(count))
    if bucketed:
        assert all(shapes.items(part.stop - part.start) <= shapes.most_items for part in parts)


@given(WINDOWS, BUDGETS, st.data())
def test_a_batch_is_one_that_was_run_at_start(window: int, budget: int, data: st.DataObject):
    """A batch is rounded up to one of those that the start has run, and never to fewer items."""
    shapes = Shapes(window, budget, bucketed=True)
    count = data.draw(st.integers(1, shapes.most_items))
    assert count <= shapes.items(count)
    assert shapes.items(count) in shapes.batches()


@given(WINDOWS, st.integers(1, 8192), st.integers(1, 2000))
def test_plain_shapes_are_left_alone(window: int, tokens: int, count: int):
    """Where shapes cost nothing, nothing is added and nothing is cut."""
    shapes = Shapes(window, 1 << 14)
    assert (shapes.length(tokens), shapes.items(count), shapes.parts(count)) == (tokens, count, [slice(0, count)])
