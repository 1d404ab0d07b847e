"""CUDA and TensorRT on a real GPU: the CPU's scores, stacked runs, precisions, and engines that are kept."""

import ctypes.util
import dataclasses
import importlib.util
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime as ort
import pytest

from shortlist.bench import local
from shortlist.client import Client
from shortlist.server.errors import ProviderError
from shortlist.server.runtime import bundle
from shortlist.server.runtime.graph import Graph
from shortlist.server.runtime.manifest import MANIFEST
from shortlist.server.runtime.providers import KINDS, Target
from shortlist.server.runtime.tokens import Encoded, Tokenizer

GPU = Path("/dev/nvidiactl").exists()
TENSORRT = bool(importlib.util.find_spec("tensorrt") or ctypes.util.find_library("nvinfer"))
WAIT_S = 110
BATCH_TOKENS = 512
TEXTS = ["the tower is " + "very " * count + "tall" for count in range(0, 60, 3)] + ["a river", "copper and tin"]

# TF32 keeps 10 bits of a mantissa, as fp16 does, and bf16 7; of two layers' sums a few bits more are lost.
TOLERANCES = {"fp32": 1e-4, "tf32": 5e-3, "fp16": 1e-2, "bf16": 5e-2}


def wants(provider: str) -> pytest.MarkDecorator:
    """Skip, with the reason, where the provider cannot run."""
    lacks = [
        what
        for what, there in (
            ("onnxruntime-gpu", KINDS[provider].name in ort.get_available_providers()),
            ("an NVIDIA GPU", GPU),
            ("TensorRT's libraries", provider != "tensorrt" or TENSORRT),
        )
        if not there
    ]
    return pytest.mark.skipif(bool(lacks), reason=f"{provider} needs {', '.join(lacks)}")


def both(test):
    """Run a test on each of the two providers."""
    marked = [pytest.param(name, marks=wants(name)) for name in ("cuda", "tensorrt")]
    return pytest.mark.parametrize("provider", marked)(test)


def encoded(path: Path) -> list[Encoded]:
    """Return texts of many lengths as a bundle's model reads them."""
    return Tokenizer(bundle.load(path)).encode(TEXTS)


def scores(path: Path, target: Target, variant: str = "fp32", *, stacked: bool = False) -> np.ndarray:
    """Return float32 [texts, width], each text run alone, or all that fit at once."""
    loaded = Graph(bundle.load(path), variant, target, BATCH_TOKENS)
    items = encoded(path)
    return loaded.run(items) if stacked else np.concatenate([loaded.run([item]) for item in items])


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """Return a target whose engines are kept in a folder of this test."""
    return Target(engines=tmp_path / "engines")


@both
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["embedder", "reranker"])
def test_a_gpu_computes_what_the_cpu_does(tiny, target: Target, provider, kind: str):
    """Alone and stacked, results are those of the CPU provider, within what TF32 leaves."""
    path = getattr(tiny, kind)
    expected = scores(path, Target())
    on_gpu = dataclasses.replace(target, provider=provider)
    for stacked in (False, True):
        found = scores(path, on_gpu, stacked=stacked)
        np.testing.assert_allclose(found, expected, rtol=TOLERANCES["tf32"], atol=TOLERANCES["tf32"])


@wants("cuda")
def test_cuda_in_fp32(tiny):
    """Without TF32, CUDA's results are the CPU's up to the order of sums."""
    found = scores(tiny.reranker, Target("cuda", options=(("use_tf32", "0"),)))
    np.testing.assert_allclose(found, scores(tiny.reranker, Target()), rtol=0, atol=TOLERANCES["fp32"])


@wants("tensorrt")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_tensorrt_s_precisions(make, tiny_folders, target: Target, tmp_path: Path, precision):
    """In half precision scores stay within what its mantissa leaves."""
    exported = make.export(tiny_folders.reranker, tmp_path / "bundle", variants=("fp32", "fp16"))
    variants = exported.manifest.variants
    variants["bf16"] = msgspec.structs.replace(variants["fp32"], precision="bf16")  # no GPU judges one
    (exported.path / MANIFEST).write_text(exported.manifest.to_json(), encoding="utf-8")
    on_gpu = dataclasses.replace(target, provider="tensorrt")
    expected = scores(exported.path, Target())
    found = scores(exported.path, on_gpu, precision, stacked=True)
    atol = TOLERANCES[precision]
    np.testing.assert_allclose(1 / (1 + np.exp(-found)), 1 / (1 + np.exp(-expected)), rtol=0, atol=atol)


@wants("tensorrt")
@pytest.mark.timeout(600)
def test_engines_are_kept(tiny, target: Target):
    """A second start finds the first one's engines, and writes none; all shapes share them."""
    on_gpu = dataclasses.replace(target, provider="tensorrt")
    expected = scores(tiny.reranker, on_gpu, stacked=True)
    built = {path: path.stat().st_mtime_ns for path in target.engines.rglob("*.engine")}
    assert built
    np.testing.assert_array_equal(scores(tiny.reranker, on_gpu, stacked=True), expected)
    assert {path: path.stat().st_mtime_ns for path in target.engines.rglob("*.engine")} == built


@both
@pytest.mark.timeout(600)
def test_dynamic_int8_is_not_stacked(varying, target: Target, provider):
    """A variant that varies with its batch runs one item at a time on GPUs too."""
    on_gpu = dataclasses.replace(target, provider=provider)
    assert Graph(bundle.load(varying.reranker), "dynamic", on_gpu, BATCH_TOKENS).shapes.batch_tokens == 0


@both
def test_a_gpu_that_is_not_there(tiny, target: Target, provider):
    """A number that no GPU has stops the start instead of going on with the CPU."""
    absent = dataclasses.replace(target, provider=provider, options=(("device_id", "99"),))
    with pytest.raises(ProviderError, match=r"did not take .* device_id=99: .*Invalid device ID: 99, must be"):
        Graph(bundle.load(tiny.reranker), "fp32", absent, BATCH_TOKENS)


@both
@pytest.mark.timeout(600)
def test_a_server_on_a_gpu(tiny, tmp_path: Path, provider):
    """A server says that it runs on the GPU, and ranks as a server on the CPU does."""
    models = ["--embedder", str(tiny.embedder), "--reranker", str(tiny.reranker)]
    common = [*models, "--embedder-variant", "fp32", "--reranker-variant", "fp32", "--log-level", "warning"]
    found = {}
    for name in ("cpu", provider):
        options = [*common, "--provider", name, "--data", str(tmp_path / name)]
        with local.serving(*options) as address, Client(address, timeout_s=WAIT_S) as client:
            assert client.describe().reranker.provider == KINDS[name].name
            results = client.rerank("how tall is the tower", TEXTS).results
            found[name] = [result.score for result in sorted(results, key=lambda result: result.index)]
    np.testing.assert_allclose(found[provider], found["cpu"], rtol=0, atol=TOLERANCES["tf32"])
