"""Rounding that makes up for itself, held against rounding to the nearest step."""

import numpy as np
import pytest
from numpy.typing import NDArray

from shortlist.export.quantization import int8_range, rounding

Floats = NDArray[np.float32]
ROWS, WIDTH, COLUMNS = 600, 96, 24  # more rows of weights than one block of the algorithm


@pytest.fixture(params=(127, 90), autouse=True)
def largest(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run each test with as many steps as there are, and with fewer, whatever this processor takes."""
    monkeypatch.setattr(int8_range, "WEIGHT", request.param)
    return int(request.param)


def drawn() -> tuple[np.random.Generator, Floats]:
    """Return rng, and weights float32 [width, columns]."""
    rng = np.random.default_rng(0)
    return rng, rng.normal(size=(WIDTH, COLUMNS)).astype(np.float32)


def correlated(rng: np.random.Generator, rows: int = ROWS) -> Floats:
    """Return inputs that eight hidden causes and a little noise make, float32 [rows, width]."""
    causes = rng.normal(size=(rows, 8)) @ rng.normal(size=(8, WIDTH))
    return (causes + 0.1 * rng.normal(size=(rows, WIDTH))).astype(np.float32)


def change(inputs: Floats, weight: Floats, rounded: NDArray[np.int8]) -> float:
    """Return the mean square of what rounding changes in the product."""
    return float(((inputs @ (rounded * rounding.scales(weight)) - inputs @ weight) ** 2).mean())


def test_scales_bring_a_columns_largest_weight_to_the_end(largest: int):
    """There is one scale a column, and a column of zeros has one that can be divided by."""
    weight = np.array([[1.0, -2 * largest, 0.0], [-0.5, 4.0, 0.0]], np.float32)
    found = rounding.scales(weight)
    np.testing.assert_allclose([1 / largest, 2], found[:2], rtol=1e-6)
    assert found[2] > 0
    np.testing.assert_array_equal(
        [[largest, -largest, 0], [round(-largest / 2), 2, 0]], rounding.nearest(weight, found)
    )


def test_nearest_is_within_half_a_step(largest: int):
    """No weight moves by more than half a step, and all of them fit int8 without its lowest value."""
    _, weight = drawn()
    scale = rounding.scales(weight)
    found = rounding.nearest(weight, scale)
    assert found.dtype == np.int8
    assert np.abs(found.astype(np.int16)).max() == largest
    assert (np.abs(found * scale - weight) <= scale * 0.5001).all()


def test_nearest_clips_what_a_smaller_scale_cannot_hold(largest: int):
    """Weights beyond the last step become it, rather than wrapping around."""
    weight = np.array([[1.0], [-1.0]], np.float32)
    assert rounding.nearest(weight, np.array([0.001], np.float32)).tolist() == [[largest], [-largest]]


def test_compensated_changes_the_product_less_where_inputs_go_together():
    """With correlated inputs the product changes less than half as much as with the nearest steps."""
    rng, weight = drawn()
    inputs = correlated(rng)
    scale = rounding.scales(weight)
    found = rounding.compensated(inputs, weight, scale)
    assert found.shape == weight.shape
    assert found.dtype == np.int8
    assert np.abs(found.astype(np.int16)).max() <= int8_range.WEIGHT
    assert change(inputs, weight, found) < 0.5 * change(inputs, weight, rounding.nearest(weight, scale))


def test_compensated_holds_for_inputs_that_it_was_not_fitted_to():
    """Other inputs of the same kind gain too: the fit is to how inputs go together, not to single ones."""
    rng, weight = drawn()
    both = correlated(rng, 2 * ROWS)
    scale = rounding.scales(weight)
    found = rounding.compensated(both[:ROWS], weight, scale)
    others = both[ROWS:]
    assert change(others, weight, found) < 0.6 * change(others, weight, rounding.nearest(weight, scale))


def test_compensated_is_as_good_as_nearest_where_inputs_are_independent():
    """With nothing to make up for, the change is that of the nearest steps, within a few percent."""
    rng, weight = drawn()
    inputs = rng.normal(size=(20_000, WIDTH)).astype(np.float32)
    scale = rounding.scales(weight)
    expected = change(inputs, weight, rounding.nearest(weight, scale))
    assert change(inputs, weight, rounding.compensated(inputs, weight, scale)) == pytest.approx(expected, rel=0.05)


def test_compensated_with_orthogonal_inputs_is_nearest():
    """With inputs that are exactly independent, each weight goes to its nearest step, whatever the order of rows."""
    _, weight = drawn()
    inputs = np.diag(np.linspace(1, 3, WIDTH)).astype(np.float32)
    scale = rounding.scales(weight)
    np.testing.assert_array_equal(rounding.nearest(weight, scale), rounding.compensated(inputs, weight, scale))


def test_compensated_takes_fewer_rows_than_there_are_weights():
    """With less inputs than their width, whose moments have no inverse, it is still better than the nearest steps."""
    rng, weight = drawn()
    inputs = correlated(rng, WIDTH // 4)
    scale = rounding.scales(weight)
    found = rounding.compensated(inputs, weight, scale)
    assert np.abs(found.astype(np.int16)).max() <= int8_range.WEIGHT
    assert change(inputs, weight, found) < change(inputs, weight, rounding.nearest(weight, scale))


def test_compensated_takes_inputs_that_are_always_zero():
    """A column of inputs that is always 0 rounds its weights to the nearest steps and leaves the rest its gain."""
    rng, weight = drawn()
    inputs = correlated(rng)
    inputs[:, 5] = 0
    scale = rounding.scales(weight)
    found = rounding.compensated(inputs, weight, scale)
    nearest = rounding.nearest(weight, scale)
    np.testing.assert_array_equal(nearest[5], found[5])
    assert change(inputs, weight, found) < 0.5 * change(inputs, weight, nearest)


def test_compensated_takes_nothing_but_zeros():
    """Where no input was ever seen to be anything but 0, the weights go to the nearest steps."""
    _, weight = drawn()
    scale = rounding.scales(weight)
    found = rounding.compensated(np.zeros((3, WIDTH), np.float32), weight, scale)
    np.testing.assert_array_equal(rounding.nearest(weight, scale), found)
