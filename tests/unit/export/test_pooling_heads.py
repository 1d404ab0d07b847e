"""Pooling is blind to padding, and labels are told apart by name."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.export import pooling_heads


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5), seed=st.integers(0, 1000))
@settings(max_examples=25)
def test_padded_is_pooled_like_single(pooling: str, lengths: list[int], seed: int) -> None:
    """A text's vector is the same alone and padded beside longer ones, whatever stands in the padding."""
    torch.manual_seed(seed)
    hidden = torch.randn(len(lengths), max(lengths), 4) * 10
    mask = torch.zeros(len(lengths), max(lengths), dtype=torch.int64)
    for row, length in enumerate(lengths):
        mask[row, :length] = 1
    together = pooling_heads.pooled(hidden, mask, pooling)
    for row, length in enumerate(lengths):
        alone = pooling_heads.pooled(hidden[row : row + 1, :length], mask[row : row + 1, :length], pooling)
        torch.testing.assert_close(together[row], alone[0])


def test_normalize_makes_lengths_one() -> None:
    """Vectors are divided by their length."""
    found = pooling_heads.Normalize()(torch.tensor([[3.0, 4.0], [0.0, 0.5]]))
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.8], [0.0, 1.0]]))
