"""Providers: the options that a session gets, and what is refused before anything is loaded."""

import json
from pathlib import Path

import pytest

from shortlist.server import cores
from shortlist.server.errors import ProviderError
from shortlist.server.runtime import providers
from shortlist.server.runtime.providers import Target
from shortlist.server.runtime.shapes import Shapes

INPUTS = ("input_ids", "attention_mask")


def options(target: Target, shapes: Shapes | None = None) -> dict[str, str]:
    """Return the options of the first provider of a target."""
    (_, found), *_ = providers.chain(target, INPUTS, shapes or Shapes(256))
    return found


def refusal(target: Target) -> str:
    """Return the message that a target is refused with."""
    with pytest.raises(ProviderError) as caught:
        providers.check(target)
    return str(caught.value)


def test_the_cpu_has_no_options():
    """The kernels of onnxruntime itself get nothing, and nothing can be given."""
    assert options(Target()) == {}
    assert "provider cpu has no options" in refusal(Target(options=(("device_id", "1"),)))


def test_openvino_follows_slots_and_threads():
    """OpenVINO gets a stream a slot, all slots' threads, and computes in fp32 whatever an int8 graph is in."""
    found = options(Target("openvino", "int8, fixed scales", slots=3, threads=2))
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


def test_cuda_gets_its_own_options():
    """The GPU's number and the switch of TF32 are passed on."""
    assert options(Target("cuda", options=(("device_id", "1"), ("use_tf32", "0")))) == {
        "device_id": "1",
        "arena_extend_strategy": "kSameAsRequested",
        "use_tf32": "0",
    }
    providers.check(Target("cuda", options=(("use_tf32", "0"),)))


def test_tensorrt_s_profile_holds_every_shape():
    """One profile goes from the shortest bucket to a full stack of the window."""
    found = options(Target("tensorrt"), Shapes(256, 16_384, bucketed=True, mixed=True))
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
    """The half precision that a variant is in is switched on by its own option."""
    assert options(Target("tensorrt", precision))[option] == "1"
    assert option not in options(Target("tensorrt"))


@pytest.mark.parametrize(
    ("provider", "flag", "lacking"),
    [
        ("cpu", "avx512_bf16", "provider cpu does not compute in bf16; openvino and tensorrt do"),
        ("cuda", "avx512_bf16", "provider cuda does not compute in bf16; openvino and tensorrt do"),
        ("openvino", "avx2", "this CPU has neither amx_bf16 nor avx512_bf16, and OpenVINO would emulate bf16"),
        ("openvino", "avx512_bf16", ""),
        ("openvino", "amx_bf16", ""),
        ("tensorrt", "avx2", ""),
    ],
)
def test_who_computes_in_bf16(provider, flag: str, lacking: str, monkeypatch: pytest.MonkeyPatch):
    """bf16 is for OpenVINO on a CPU that has it, which would emulate it elsewhere, and for TensorRT."""
    monkeypatch.setattr(cores, "flags", lambda: frozenset({flag}))
    assert providers.lacks(provider, "bf16").startswith(lacking)
    assert bool(providers.lacks(provider, "bf16")) == bool(lacking)
    assert providers.lacks(provider, "fp32") == providers.lacks(provider, "int8, fixed scales") == ""


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("load_config", "by their own names"),
        ("num_streams", "--slots"),
        ("INFERENCE_PRECISION_HINT", "--reranker-variant"),
    ],
)
def test_options_that_are_settings(name: str, remedy: str):
    """An option that a setting decides is refused by the setting's name."""
    message = refusal(Target("openvino", options=((name, "1"),)))
    assert f"provider_options sets {name}" in message
    assert remedy in message


def test_a_gpu_has_a_number():
    """A device that is no number is refused by its value."""
    assert "sets device_id to 'first'" in refusal(Target("cuda", options=(("device_id", "first"),)))
