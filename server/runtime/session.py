"""One ONNX Runtime session: the graph, and the provider that it was asked to run on.

onnxruntime goes on with the CPU, after a warning, where a provider is missing, refuses its options, or takes only a
part of a graph. Here the session's real list of providers is compared with what was asked, and a difference is fatal.

`Session.run` may be called from several threads at once: a session takes concurrent runs and releases the GIL.
"""

import contextlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from shortlist.server.errors import BundleError, ProviderError, StorageError

from . import providers
from .providers import Options, Target
from .shapes import Shapes

# onnxruntime's severity: 0 verbose, 1 info, 2 warning, 3 error, 4 fatal. An error is raised as well as logged.
_FATAL_ONLY = 4
_ENGINES = "trt_engine_cache_path"
_ONLY_WHOLE = "session.disable_cpu_ep_fallback"
# What onnxruntime and OpenVINO put around a reason: the file and line that raised, with the whole signature of the
# function behind a path and its name alone behind a file's; and the status that a reason was wrapped in.
_AROUND = re.compile(
    r"\S*/\S+\.\w+:\d+ [^()]*?[^()\s]\((?:[^()]|\([^()]*\))*\)"
    r"(?:::<lambda\([^()]*\)>)?(?: const)?(?: \[with [^\]]*\])? "
    r"|[\w.]+\.(?:cc|cpp|cu|h|hpp):\d+ (?:operator\(\)|[\w:~]+) "
    r"|Exception from \S+:\d+: ?"
    r"|\[ONNXRuntimeError\] : \d+ : \w+ : "
)
_STACK = "Stacktrace:"


class Session:
    """One graph on one provider."""

    def __init__(self, graph: Path, target: Target, inputs: Sequence[str], shapes: Shapes) -> None:
        """Load the graph.

        Args:
            graph: an ONNX file; its external data lies beside it.
            target: where to run it. With one thread, a run stays on its caller's thread.
            inputs: names of the graph's inputs.
            shapes: what its runs are like.

        Raises:
            ProviderError: the provider is not installed, does not compute in the variant's precision, does not take
                the graph, or not with these options.
            BundleError: onnxruntime cannot read the graph.
            StorageError: the folder for engines cannot be made.
        """
        self.provider = target.kind.name
        if self.provider not in ort.get_available_providers():
            raise ProviderError(
                f"provider {target.provider} is not there: this onnxruntime has"
                f" {', '.join(ort.get_available_providers())};"
                f" in a new environment and a clone of Shortlist, pip install '.[{target.kind.extra}]'"
            )
        if lacking := providers.lacks(target.provider, target.precision):
            raise ProviderError(
                f"{graph.name} cannot run in {target.precision}: {lacking};"
                " choose another variant with --embedder-variant or --reranker-variant, or another --provider"
            )
        self._target = target
        chain = providers.chain(target, inputs, shapes)
        if kept := chain[0][1].get(_ENGINES):
            _make(Path(kept))
        self._session = _started(graph, target, chain)
        self.inputs = tuple(entry.name for entry in self._session.get_inputs())

    def run(self, output: str, feeds: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Run the graph once.

        Args:
            output: name of the output to return.
            feeds: arrays by input name; those that the graph does not take are left out.
        """
        if self._target.kind.gpu:
            return self.run_bound(output, feeds, "cuda", self._target.device_id)
        (values,) = self.run_plain([output], feeds)
        return values

    def run_plain(self, outputs: Sequence[str], feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        """Run the graph once for several outputs, inputs and outputs in the host's memory."""
        values = self._session.run(list(outputs), {name: feeds[name] for name in self.inputs})
        return [np.asarray(value, dtype=np.float32) for value in values]

    def run_bound(
        self, output: str, feeds: Mapping[str, NDArray[Any]], device: str, device_id: int
    ) -> NDArray[np.float32]:
        """Run the graph once with inputs and output in a device's memory, copied once each way.

        Unbound, onnxruntime puts the output of a graph into the host's memory, through a copy that waits for the
        device once more.
        """
        binding = self._session.io_binding()
        for name in self.inputs:
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(feeds[name], device, device_id))
        binding.bind_output(output, device, device_id)
        self._session.run_with_iobinding(binding)
        (values,) = binding.copy_outputs_to_cpu()
        return np.asarray(values, dtype=np.float32)


def _make(folder: Path) -> None:
    """Make the folder for engines; TensorRT makes the last part of a path only."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"the folder for TensorRT's engines, {folder}, cannot be made: {error}") from error


def _started(graph: Path, target: Target, chain: Sequence[tuple[str, Options]]) -> ort.InferenceSession:
    """Make a session, and compare its providers with what was asked."""
    try:
        session = ort.InferenceSession(
            str(graph), _options(target, whole=target.kind.whole), providers=chain, enable_fallback=0
        )
    except Exception as error:  # the binding raises its own classes, which share no public root
        if target.provider == "cpu":
            raise BundleError(f"onnxruntime cannot load {graph}: {reason(error)}") from error
        raise _explained(error, graph, target, chain) from error
    wanted, found = [name for name, _ in chain], session.get_providers()
    if found[: len(wanted)] != wanted:
        raise ProviderError(_refusal(target, graph, f"the session runs on {', '.join(found)}"))
    return session


def _options(target: Target, *, whole: bool) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = target.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    # malloc hands out what the last operator freed and the caches still hold; onnxruntime's arena spreads a run over
    # more memory, and a pattern is kept for every shape that was ever seen (docs/benchmarks.md: 3 to 18%).
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    # Spinning threads take a core from the other slots' runs (onnxruntime issue 17011).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if target.unsaturated:
        options.add_session_config_entry("session.x64quantprecision", "1")
    if whole:
        options.add_session_config_entry(_ONLY_WHOLE, "1")
    return options


def _explained(error: Exception, graph: Path, target: Target, chain: Sequence[tuple[str, Options]]) -> ProviderError:
    """Return why a provider did not start. If it had to take the whole graph, a second try without that tells."""
    found: list[str] = []
    if target.kind.whole:
        with contextlib.suppress(Exception):  # the first error is the one that is raised
            found = ort.InferenceSession(
                str(graph), _options(target, whole=False), providers=chain, enable_fallback=0
            ).get_providers()
    if found and found[0] == target.kind.name:
        return ProviderError(
            f"provider {target.provider} takes only a part of {graph.name}, and the rest would run on onnxruntime's"
            " CPU kernels, slower than all of it there: choose another variant, such as fp32, with"
            " --embedder-variant or --reranker-variant, or --provider cpu"
        )
    why = f"the session runs on {', '.join(found)}" if found else reason(error)
    return ProviderError(_refusal(target, graph, why))


def _refusal(target: Target, graph: Path, why: str) -> str:
    given = ",".join(f"{name}={value}" for name, value in target.options)
    return (
        f"provider {target.provider} did not take {graph.name}"
        f"{f' with provider_options {given}' if given else ''}: {why};"
        " the provider's own messages, if it had any, are above; correct --provider-options, or choose another"
        " --provider"
    )


def reason(error: Exception) -> str:
    """Return all that onnxruntime or a provider says of an error, on one line, without the places in its source."""
    line = " ".join(str(error).partition(_STACK)[0].split())
    return _AROUND.sub("", f"{line} ").strip().rstrip(".") or type(error).__name__
