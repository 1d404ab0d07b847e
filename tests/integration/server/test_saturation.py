"""A bundle from a processor whose int8 sums do not saturate, on one where they would."""

import dataclasses

import msgspec
import numpy as np
import pytest

from shortlist.server import cores
from shortlist.server.runtime import bundle
from shortlist.server.runtime.graph import Graph
from shortlist.server.runtime.providers import Target
from shortlist.server.runtime.tokens import Tokenizer

TEXTS = ["one", "a few more words than that", "the quick brown fox jumps over the lazy dog " * 3]


@pytest.mark.parametrize(
    ("made_on", "here"),
    [("avx2 avx_vnni", "avx2"), ("asimddp", "avx2"), ("avx2 avx_vnni", "avx2 avx_vnni"), ("avx2", "avx2")],
)
def test_sums_are_made_wider_where_they_would_saturate(tiny, monkeypatch, made_on: str, here: str):
    """They are for a bundle of 8-bit weights alone, and sums that fit come out the same to the last bit."""
    found = bundle.load(tiny.reranker)
    items = Tokenizer(found).encode(TEXTS)
    plain = Graph(found, "int8-token", Target(), 0)
    manifest = msgspec.structs.replace(found.manifest, processor=made_on)
    monkeypatch.setattr(cores, "processor", lambda: here)
    loaded = Graph(dataclasses.replace(found, manifest=manifest), "int8-token", Target(), 0)
    assert loaded._target.unsaturated == (made_on != here)
    for item in items:
        np.testing.assert_array_equal(plain.run([item]), loaded.run([item]))
