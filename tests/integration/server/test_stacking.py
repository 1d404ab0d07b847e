"""Stacked runs on the CPU: the same results, and only where a variant allows it."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from shortlist.server.runtime import bundle
from shortlist.server.runtime.graph import Graph
from shortlist.server.runtime.providers import Target
from shortlist.server.runtime.tokens import Encoded, Tokenizer

TEXTS = ["one", "a few more words than that", "the quick brown fox jumps over the lazy dog " * 3, "end"]


def graph(path: Path, variant: str, batch_tokens: int) -> Graph:
    """Load a variant of a bundle."""
    return Graph(bundle.load(path), variant, Target(), batch_tokens)


def judged(path: Path, change: float) -> bundle.Bundle:
    """Return a bundle of fp32 alone, of which export found that results change so much in a batch."""
    found = bundle.load(path)
    fp32 = msgspec.structs.replace(found.manifest.variants["fp32"], parity={"batch_change_max": change})
    return dataclasses.replace(found, manifest=msgspec.structs.replace(found.manifest, variants={"fp32": fp32}))


@pytest.mark.parametrize("kind", ["embedder", "reranker"])
def test_a_padded_stack_computes_what_single_runs_do(tiny, kind: str):
    """fp32 results of a padded stack are those of single runs, up to rounding."""
    path = getattr(tiny, kind)
    items = Tokenizer(bundle.load(path)).encode(TEXTS)
    loaded = graph(path, "fp32", batch_tokens=1000)
    alone = np.concatenate([loaded.run([item]) for item in items])
    np.testing.assert_allclose(loaded.run(items), alone, rtol=0, atol=1e-5)


def test_a_variant_that_varies_is_never_stacked(varying):
    """Dynamic int8 runs one item at a time, whatever budget is set."""
    assert graph(varying.reranker, "dynamic", batch_tokens=1000).shapes.batch_tokens == 0


@pytest.mark.parametrize(("change", "budget"), [(0.0, 1000), (1e-8, 0)])
def test_only_what_is_exact_is_stacked_on_cpus(tiny, change: float, budget: int):
    """A variant takes the budget on CPUs where export saw no bit change in a batch, and else runs items alone."""
    assert Graph(judged(tiny.reranker, change), "fp32", Target(), 1000).shapes.batch_tokens == budget


@pytest.mark.parametrize(("change", "budget"), [(0.0, 192), (1e-7, 0)])
def test_the_start_proves_that_stacks_are_exact(tiny, monkeypatch, caplog, change: float, budget: int):
    """Where a processor's results differ by a bit in a batch, the start sees it, says so, and nothing is stacked."""
    loaded = Graph(judged(tiny.reranker, 0.0), "fp32", Target(), 192)
    alone = loaded._infer_part

    def infer(items: Sequence[Encoded], length: int) -> np.ndarray:
        each = np.concatenate([alone([item], length) for item in items])
        return each + np.float32(change) if len(items) > 1 else each

    monkeypatch.setattr(loaded, "_infer_part", infer)
    loaded.warm_up(Tokenizer(bundle.load(tiny.reranker)))
    assert loaded.shapes.batch_tokens == budget
    assert ("every item runs alone" in caplog.text) == bool(change)
