"""The tiny reranker with the variants that run on OpenVINO."""

import onnxruntime as ort
import pytest

from shortlist.server.runtime import bundle, providers


@pytest.fixture(scope="session")
def openvino() -> None:
    """Skip where this build of onnxruntime has no OpenVINO."""
    if "OpenVINOExecutionProvider" not in ort.get_available_providers():
        pytest.skip("needs onnxruntime-openvino, which is another build of onnxruntime: make test-openvino")


@pytest.fixture(scope="session")
def static(make, tiny_folders, tmp_path_factory: pytest.TempPathFactory) -> bundle.Bundle:
    """Export the tiny reranker with the variant that is made for OpenVINO."""
    out = tmp_path_factory.mktemp("static") / "reranker"
    return make.export(tiny_folders.reranker, out, variants=("fp32", "int8-static"))


@pytest.fixture(scope="session")
def rough(make, tiny_folders, tmp_path_factory: pytest.TempPathFactory) -> bundle.Bundle:
    """Export the tiny reranker with fp32's graph run in bf16, past an open gate."""
    if lacking := providers.lacks("openvino", "bf16"):
        pytest.skip(lacking)
    out = tmp_path_factory.mktemp("rough") / "reranker"
    return make.export(tiny_folders.reranker, out, variants=("fp32", "bf16"))
