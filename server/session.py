"""One ONNX Runtime session: the graph, the provider it was asked to run on, and its threads.

onnxruntime goes on with the CPU, after a warning, where a provider is missing or refuses its options. Here the
session's real list of providers is compared with what was asked, and a difference is fatal.

`Session.run` may be called from several threads at once: a session takes concurrent runs and releases the GIL.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from shortlist.server.errors import BundleError, ProviderError
from shortlist.server.settings import Provider

NAMES: dict[Provider, str] = {
    "cpu": "CPUExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
_EXTRAS: dict[Provider, str] = {"cpu": "cpu", "openvino": "openvino", "cuda": "gpu", "tensorrt": "gpu"}
# onnxruntime's severity: 0 verbose, 1 info, 2 warning, 3 error, 4 fatal. An error is raised as well as logged.
_FATAL_ONLY = 4


class Session:
    """Run one graph on one provider."""

    def __init__(self, graph: Path, provider: Provider, threads: int) -> None:
        """Load the graph.

        Args:
            graph: an ONNX file; its external data lies beside it.
            provider: where to run it.
            threads: what one run uses. With one, a run stays on its caller's thread.

        Raises:
            ProviderError: the provider is not installed, or does not take the graph.
            BundleError: onnxruntime cannot read the graph.
        """
        self.provider = NAMES[provider]
        if self.provider not in ort.get_available_providers():
            raise ProviderError(
                f"provider {provider} is not there: this onnxruntime has {', '.join(ort.get_available_providers())};"
                f" in a new environment, pip install 'shortlist[{_EXTRAS[provider]}]'"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL_ONLY
        # Patterns are kept for every shape that was ever seen; unpadded runs have hundreds.
        options.enable_mem_pattern = False
        # Spinning threads take a core from the other slots' runs (onnxruntime issue 17011).
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(str(graph), options, providers=[self.provider])
        except Exception as error:  # the binding raises its own classes, which share no public root
            raise BundleError(f"onnxruntime cannot load {graph}: {first_line(error)}") from error
        found = self._session.get_providers()
        if not found or found[0] != self.provider:
            raise ProviderError(
                f"provider {provider} did not take {graph.name}: the session runs on {', '.join(found)};"
                " look at the provider's own messages above, or choose another with --provider"
            )
        self.inputs = tuple(entry.name for entry in self._session.get_inputs())

    def run(self, output: str, feeds: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Run the graph once.

        Args:
            output: name of the output to return.
            feeds: arrays by input name; those that the graph does not take are left out.
        """
        wanted = {name: feeds[name] for name in self.inputs}
        (values,) = self._session.run([output], wanted)
        return np.asarray(values, dtype=np.float32)


def first_line(error: Exception) -> str:
    """Return what onnxruntime says first: the rest is its own source's lines."""
    return str(error).strip().split("\n", 1)[0]
