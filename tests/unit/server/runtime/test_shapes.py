"""Buckets of lengths and batches: few, never smaller than what they hold, never beyond the bounds."""

from hypothesis import given
from hypothesis import strategies as st

from shortlist.server.runtime.shapes import Shapes

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


@given(WINDOWS, BUDGETS, st.integers(1, 2000), st.booleans(), st.booleans(), st.data())
def test_parts_cover_a_run(window: int, budget: int, count: int, bucketed: bool, mixed: bool, data: st.DataObject):
    """A run is cut into parts that hold every item once, in order, none larger than the bounds allow."""
    shapes = Shapes(window, budget, bucketed=bucketed, mixed=mixed)
    length = shapes.length(data.draw(st.integers(1, window)))
    parts = shapes.split(count, length)
    assert [place for part in parts for place in range(count)[part]] == list(range(count))
    if bucketed:
        assert all(shapes.padded_batch(part.stop - part.start) <= shapes.max_batch(length) for part in parts)


@given(WINDOWS, BUDGETS, st.booleans(), st.data())
def test_a_batch_is_one_that_was_run_at_start(window: int, budget: int, mixed: bool, data: st.DataObject):
    """A batch is rounded up to one of those that the start has run at its length, and never to fewer items."""
    shapes = Shapes(window, budget, bucketed=True, mixed=mixed)
    length = shapes.length(data.draw(st.integers(1, window)))
    count = data.draw(st.integers(1, shapes.max_batch(length)))
    assert count <= shapes.padded_batch(count)
    assert shapes.padded_batch(count) in shapes.batches(length)


@given(WINDOWS, BUDGETS, st.booleans(), st.booleans(), st.data())
def test_a_stack_keeps_the_budget(window: int, budget: int, bucketed: bool, mixed: bool, data: st.DataObject):
    """As many items as a run may have are no more tokens than the budget, unless it is a single one."""
    shapes = Shapes(window, budget, bucketed=bucketed, mixed=mixed)
    length = shapes.length(data.draw(st.integers(1, window)))
    assert shapes.max_batch(length) == 1 or shapes.max_batch(length) * length <= budget


@given(st.integers(1, 2000), st.booleans())
def test_a_stack_needs_no_empty_places(count: int, bucketed: bool):
    """Of so many items at least half run at once, as a batch that is run without an item added."""
    shapes = Shapes(512, 512, bucketed=bucketed)
    stacked = shapes.full_batch(count)
    assert count / 2 < stacked <= count
    assert shapes.padded_batch(stacked) == stacked


@given(WINDOWS, st.integers(1, 8192), st.integers(1, 2000))
def test_plain_shapes_are_left_alone(window: int, tokens: int, count: int):
    """Where shapes cost nothing, nothing is added and nothing is cut."""
    shapes = Shapes(window, 1 << 14)
    assert (shapes.length(tokens), shapes.padded_batch(count), shapes.full_batch(count)) == (tokens, count, count)
    assert shapes.split(count, tokens) == [slice(0, count)]
