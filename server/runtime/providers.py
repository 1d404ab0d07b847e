"""Execution providers: what onnxruntime calls each, which can compute in bf16, and the options of their sessions.

    cpu        onnxruntime's own kernels
    openvino   OpenVINO on a CPU; it must take a graph whole
    cuda       one GPU; inputs and outputs are bound to its memory
    tensorrt   the same, with engines built at the first start and kept; what it does not take runs on CUDA

Options that a setting of ours decides are refused by that setting's name; every other option that onnxruntime knows
is passed on. Pure: `session.py` makes the sessions.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shortlist.server import cores
from shortlist.server.errors import ProviderError
from shortlist.server.settings import Provider, Settings

from .shapes import Shapes

Options = dict[str, str]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of provider."""

    name: str  # as onnxruntime has it
    extra: str  # of this package, that brings the build of onnxruntime
    behind: tuple[str, ...] = ()  # providers that run what this one leaves
    compiles: bool = False  # for each shape
    whole: bool = False  # a graph that it takes in part only is refused
    gpu: bool = False
    bf16: bool = False  # whether it can run an fp32 graph in bf16


KINDS: dict[Provider, Kind] = {
    "cpu": Kind("CPUExecutionProvider", "cpu"),
    # What OpenVINO leaves runs on onnxruntime's CPU kernels, with copies in between: dynamic int8 is slower so than
    # fp32 is without OpenVINO (0.7 times, MiniLM-L6).
    "openvino": Kind("OpenVINOExecutionProvider", "openvino", compiles=True, whole=True, bf16=True),
    "cuda": Kind("CUDAExecutionProvider", "gpu", gpu=True),
    "tensorrt": Kind(
        "TensorrtExecutionProvider",
        "gpu",
        behind=("CUDAExecutionProvider",),
        compiles=True,
        gpu=True,
        bf16=True,
    ),
}

# Of a variant that is fp32's graph, and of one whose graph is in half precision.
BF16, FP16 = "bf16", "fp16"

_BY_VARIANT = "precision follows from --embedder-variant and --reranker-variant"
# What is set by settings of ours, and how.
_OURS = {
    "load_config": "give OpenVINO's properties by their own names, such as ENABLE_CPU_PINNING=false",
    "num_streams": "use --slots",
    "NUM_STREAMS": "use --slots",
    "num_of_threads": "use --slots and --threads",
    "INFERENCE_NUM_THREADS": "use --slots and --threads",
    "precision": _BY_VARIANT,
    "INFERENCE_PRECISION_HINT": _BY_VARIANT,
    "trt_fp16_enable": _BY_VARIANT,
    "trt_bf16_enable": _BY_VARIANT,
    "trt_profile_min_shapes": "shapes follow from the model's window and --batch-tokens",
    "trt_profile_opt_shapes": "shapes follow from the model's window and --batch-tokens",
    "trt_profile_max_shapes": "shapes follow from the model's window and --batch-tokens",
}
_BF16_FLAGS = {"avx512_bf16", "amx_bf16"}
# Padded tokens that a run stacks. On onnxruntime's CPU kernels, what a run of more writes no longer fits a core's
# caches (MiniLM-L6, docs/benchmarks.md). OpenVINO gains from larger ones; 512 tokens are one item of the longest that
# most models take, so that a query does not wait longer behind a stack than behind that.
BATCH_TOKENS: dict[Provider, int] = {"cpu": 192, "openvino": 512, "cuda": 16_384, "tensorrt": 16_384}


@dataclass(frozen=True, slots=True)
class Target:
    """Where graphs run, and how."""

    provider: Provider = "cpu"
    precision: str = "fp32"  # of the variant, as its manifest has it; int8 graphs compute the rest in fp32
    options: tuple[tuple[str, str], ...] = ()  # the operator's, by onnxruntime's or OpenVINO's names
    slots: int = 1  # runs that go on at once
    threads: int = 1  # of each
    engines: Path = Path("engines")  # where TensorRT keeps what it built
    unsaturated: bool = False  # whether int8 sums are made wider where they would saturate: exact, and slower

    @property
    def kind(self) -> Kind:
        """Return what the provider is."""
        return KINDS[self.provider]

    @property
    def device_id(self) -> int:
        """Return the number of the GPU."""
        return int(dict(self.options).get("device_id", "0"))


def target(settings: Settings) -> Target:
    """Return where the graphs of a server with these settings run.

    Raises:
        ProviderError: the provider has no such choice.
    """
    gpu = KINDS[settings.provider].gpu
    found = Target(
        provider=settings.provider,
        options=tuple(settings.provider_options.items()),
        slots=settings.slots or (1 if gpu else max(1, cores.usable() // settings.threads)),
        threads=settings.threads,
        engines=settings.data / "engines",
    )
    check(found)
    return found


def batch_tokens(settings: Settings) -> int:
    """Return the padded tokens that one run of a server with these settings may stack."""
    return settings.batch_tokens or BATCH_TOKENS[settings.provider]


def lacks(provider: Provider, precision: str) -> str:
    """Return why a provider cannot run a variant of this precision on this machine; empty: it can."""
    if precision != BF16:
        return ""
    if not KINDS[provider].bf16:
        having = " and ".join(name for name, kind in KINDS.items() if kind.bf16)
        return f"provider {provider} does not compute in bf16; {having} do"
    if provider == "openvino" and not _BF16_FLAGS & cores.flags():
        flags = " nor ".join(sorted(_BF16_FLAGS))
        return f"this CPU has neither {flags}, and OpenVINO would emulate bf16 at a hundredth of the speed"
    return ""


def check(target: Target) -> None:
    """Refuse options that the provider does not have, before anything is loaded.

    Raises:
        ProviderError: naming the option, its value and what it may be.
    """
    for name, value in target.options:
        if name in _OURS:
            raise ProviderError(f"provider_options sets {name}, which is not an option here: {_OURS[name]}")
        if name == "device_id" and not value.isdecimal():
            raise ProviderError(f"provider_options sets device_id to {value!r}, but it is a number from 0 on")
    if target.provider == "cpu" and target.options:
        raise ProviderError(
            f"provider_options sets {target.options[0][0]}, but provider cpu has no options;"
            " leave it out, or choose another --provider"
        )


def chain(target: Target, inputs: Sequence[str], shapes: Shapes) -> list[tuple[str, Options]]:
    """Return the providers that a session is made with, most wanted first, each with its options.

    Args:
        target: what was asked for.
        inputs: names of the graph's inputs.
        shapes: what its runs are like.
    """
    given = dict(target.options)
    match target.provider:
        case "openvino":
            return [(target.kind.name, _openvino(target, given))]
        case "cuda":
            return [(target.kind.name, _cuda(given))]
        case "tensorrt":
            behind = _cuda({"device_id": str(target.device_id)})
            options = _tensorrt(target, inputs, shapes) | given
            return [(target.kind.name, options), *((name, behind) for name in target.kind.behind)]
        case _:
            return [(target.kind.name, {})]


def _openvino(target: Target, given: Options) -> Options:
    """Return OpenVINO's options; its own properties, in capitals, go into load_config, which is JSON in a string."""
    options = {"device_type": "CPU"} | {name: value for name, value in given.items() if not name.isupper()}
    properties = {
        "INFERENCE_PRECISION_HINT": "bf16" if target.precision == BF16 else "f32",
        # Of graphs with int8 weights and fp32 activations: elements of an activation that share a scale. OpenVINO's
        # own 32 gains 1.5 times fp32's speed where 128 gains 1.9 (MiniLM-L6), at the same Kendall tau, 0.98.
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": "128",
    }
    properties |= {name: value for name, value in given.items() if name.isupper()}
    return {
        "num_streams": str(target.slots),
        # All streams' threads together, and the number of runs that may be under way (basic_backend.cc).
        "num_of_threads": str(target.slots * target.threads),
        "load_config": json.dumps({options["device_type"]: properties}),
    } | options


def _cuda(given: Options) -> Options:
    # Grown by what is asked for: doublings of a stacked run's memory soon take a GPU that others use too.
    return {"device_id": "0", "arena_extend_strategy": "kSameAsRequested"} | given


def _tensorrt(target: Target, inputs: Sequence[str], shapes: Shapes) -> Options:
    """Return TensorRT's options: kept engines, and one profile that holds every shape a run can have."""

    def profile(items: int, tokens: int) -> str:
        return ",".join(f"{name}:{items}x{tokens}" for name in inputs)

    most = shapes.max_batch(shapes.window)
    middle = shapes.padded_batch(-(-most // 2)), shapes.length(-(-shapes.window // 2))
    options = {
        "device_id": "0",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(target.engines),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(target.engines),
        "trt_profile_min_shapes": profile(1, shapes.length(1)),
        "trt_profile_opt_shapes": profile(*middle),
        "trt_profile_max_shapes": profile(most, shapes.window),
    }
    if target.precision == FP16:
        # Sums of squares overflow in fp16.
        options |= {"trt_fp16_enable": "1", "trt_layer_norm_fp32_fallback": "1"}
    if target.precision == BF16:
        options["trt_bf16_enable"] = "1"
    return options
