"""Providers: the options that a session gets, and what is refused before anything is loaded."""

import json
from pathlib import Path

import pytest

from shortlist.server import providers
from shortlist.server.errors import ProviderError
from shortlist.server.providers import Target
from shortlist.server.shapes import Shapes

INPUTS = ("input_ids", "attention_mask")
BF16 = frozenset({"avx512f", "avx512_bf16"})


def options(target: Target, shapes: Shapes | None = None) -> dict[str, str]:
    """Return the options of the first provider of a target."""
    (_, found), *_ = providers.chain(target, INPUTS, shapes or Shapes(256))
    return found


def refusal(target: Target, flags: frozenset[str] = BF16) -> str:
    """Return the message that a target is refused with."""
    with pytest.raises(ProviderError) as caught:
        providers.check(target, flags)
    return str(caught.value)


def test_the_cpu_has_no_options():
    """The kernels of onnxruntime itself get nothing, and nothing can be given."""
    assert options(Target()) == {}
    assert "provider cpu has no options" in refusal(Target(options=(("device_id", "1"),)))


def test_openvino_follows_slots_and_threads():
    """OpenVINO gets a stream a slot, all slots' threads, and fp32 unless asked for another precision."""
    found = options(Target("openvino", slots=3, threads=2))
    assert (found["num_streams"], found["num_of_threads"], found["device_type"]) == ("3", "6", "CPU")
    assert json.loads(found["load_config"])["CPU"]["INFERENCE_PRECISION_HINT"] == "f32"


def test_openvino_s_own_properties_go_into_load_config():
    """Names in capitals are OpenVINO's properties, the others onnxruntime's options."""
    given = (("ENABLE_CPU_PINNING", "false"), ("cache_dir", "/c"))
    found = options(Target("openvino", "bf16", given))
    assert json.loads(found["load_config"])["CPU"]["ENABLE_CPU_PINNING"] == "false"
    assert json.loads(found["load_config"])["CPU"]["INFERENCE_PRECISION_HINT"] == "bf16"
    assert found["cache_dir"] == "/c"
    assert "ENABLE_CPU_PINNING" not in found


def test_cuda_computes_in_fp32_when_asked():
    """TF32 is switched off by the precision fp32 only; the GPU's number is passed on."""
    assert options(Target("cuda", "fp32", (("device_id", "1"),))) == {
        "device_id": "1",
        "arena_extend_strategy": "kSameAsRequested",
        "use_tf32": "0",
    }
    assert "use_tf32" not in options(Target("cuda"))


def test_tensorrt_s_profile_holds_every_shape():
    """One profile goes from the shortest bucket to a full stack of the window."""
    found = options(Target("tensorrt"), Shapes(256, 16_384, bucketed=True))
    assert found["trt_profile_min_shapes"] == "input_ids:1x16,attention_mask:1x16"
    assert found["trt_profile_opt_shapes"] == "input_ids:32x128,attention_mask:32x128"
    assert found["trt_profile_max_shapes"] == "input_ids:64x256,attention_mask:64x256"


def test_tensorrt_keeps_its_engines():
    """Engines and timings are kept in the folder that the target names, or where the operator says."""
    found = options(Target("tensorrt", engines=Path("/data/engines")))
    assert found["trt_engine_cache_path"] == found["trt_timing_cache_path"] == "/data/engines"
    moved = options(Target("tensorrt", options=(("trt_engine_cache_path", "/fast"),)))
    assert moved["trt_engine_cache_path"] == "/fast"


def test_tensorrt_leaves_the_rest_to_cuda_on_the_same_gpu():
    """What TensorRT does not take runs on CUDA, on the GPU that was asked for."""
    chain = providers.chain(Target("tensorrt", options=(("device_id", "2"),)), INPUTS, Shapes(256))
    assert [name for name, _ in chain] == ["TensorrtExecutionProvider", "CUDAExecutionProvider"]
    assert [found["device_id"] for _, found in chain] == ["2", "2"]


@pytest.mark.parametrize(("precision", "option"), [("fp16", "trt_fp16_enable"), ("bf16", "trt_bf16_enable")])
def test_tensorrt_s_precisions(precision, option: str):
    """Each reduced precision is switched on by its own option."""
    assert options(Target("tensorrt", precision))[option] == "1"
    assert option not in options(Target("tensorrt"))


@pytest.mark.parametrize(
    ("provider", "precision", "choices"),
    [
        ("cpu", "fp32", "auto;"),
        ("cuda", "fp16", "auto, fp32;"),
        ("openvino", "fp16", "auto, fp32, bf16;"),
        ("tensorrt", "fp32", "auto, bf16, fp16;"),
    ],
)
def test_a_precision_that_is_no_choice(provider, precision, choices: str):
    """A precision that a provider has no choice of is refused with those it has."""
    assert f"precision is {precision}, but provider {provider} has {choices}" in refusal(Target(provider, precision))


def test_bf16_wants_a_cpu_that_has_it():
    """OpenVINO emulates bf16 at a hundredth of the speed: where the CPU has none it is refused."""
    assert "neither amx_bf16 nor avx512_bf16" in refusal(Target("openvino", "bf16"), frozenset({"avx2"}))
    providers.check(Target("openvino", "bf16"), BF16)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("load_config", "by their own names"), ("num_streams", "--slots"), ("INFERENCE_PRECISION_HINT", "--precision")],
)
def test_options_that_are_settings(name: str, remedy: str):
    """An option that a setting decides is refused by the setting's name."""
    message = refusal(Target("openvino", options=((name, "1"),)))
    assert f"provider_options sets {name}" in message
    assert remedy in message


def test_a_gpu_has_a_number():
    """A device that is no number is refused by its value."""
    assert "sets device_id to 'first'" in refusal(Target("cuda", options=(("device_id", "first"),)))
