"""A session's run with bound inputs and output, as on GPUs, on the device that every machine has."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from shortlist.export.quantization import int8_range
from shortlist.server import cores
from shortlist.server.errors import BundleError, ProviderError
from shortlist.server.runtime.providers import Target
from shortlist.server.runtime.session import Session, reason
from shortlist.server.runtime.shapes import Shapes


@pytest.fixture
def graph(tmp_path):
    """Write a graph that casts its one input to float32 and doubles it."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["cast", "cast"], ["logit"]),
    ]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [None, None])
    logit = helper.make_tensor_value_info("logit", TensorProto.FLOAT, [None, None])
    model = helper.make_model(
        helper.make_graph(nodes, "doubled", [ids], [logit]), opset_imports=[helper.make_opsetid("", 18)], ir_version=8
    )
    save(model, tmp_path / "doubled.onnx")
    return tmp_path / "doubled.onnx"


def test_a_bound_run_computes_what_a_plain_one_does(graph):
    """Inputs and output in a device's memory give the same values, for shapes that change from run to run."""
    session = Session(graph, Target(), ("input_ids",), Shapes(16))
    for shape in ((1, 3), (2, 5), (1, 1)):
        feeds = {"input_ids": np.arange(np.prod(shape), dtype=np.int64).reshape(shape)}
        bound = session.run_bound("logit", feeds, "cpu", 0)
        np.testing.assert_array_equal(session.run("logit", feeds), bound)
        assert (bound.dtype, bound.shape) == (np.float32, shape)


def test_a_graph_that_is_none(tmp_path):
    """A file that onnxruntime cannot read is refused by its path."""
    path = tmp_path / "damaged.onnx"
    path.write_bytes(b"no graph")
    with pytest.raises(BundleError, match=r"cannot load .*damaged\.onnx"):
        Session(path, Target(), ("input_ids",), Shapes(16))


def test_bf16_where_it_cannot_be(graph):
    """A variant that is fp32's graph run in bf16 is refused on a provider without it, never run in fp32."""
    with pytest.raises(ProviderError, match=r"doubled\.onnx cannot run in bf16: provider cpu does not .*-variant"):
        Session(graph, Target("cpu", "bf16"), ("input_ids",), Shapes(16))


def sums(folder: Path, weight: int, activation: int = 255, *, unsaturated: bool = False) -> float:
    """Return a product of weights that are all the same with such activations, over its true value."""
    depth, columns = 64, 32
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["bytes"], to=TensorProto.UINT8),
        helper.make_node("MatMulInteger", ["bytes", "weight"], ["sums"]),
        helper.make_node("Cast", ["sums"], ["logit"], to=TensorProto.FLOAT),
    ]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [None, depth])
    logit = helper.make_tensor_value_info("logit", TensorProto.FLOAT, [None, columns])
    constant = numpy_helper.from_array(np.full((depth, columns), weight, np.int8), "weight")
    graph = helper.make_graph(nodes, "int8", [ids], [logit], [constant])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), folder / "int8.onnx")
    session = Session(folder / "int8.onnx", Target(unsaturated=unsaturated), ("input_ids",), Shapes(16))
    found = session.run("logit", {"input_ids": np.full((8, depth), activation, np.int64)})
    assert (found == found[0, 0]).all()
    return float(found[0, 0]) / (activation * weight * depth)


def test_int8_sums_that_would_saturate(tmp_path: Path):
    """Asked for, sums of the largest int8 products are exact on any processor; else they are where none saturate."""
    assert sums(tmp_path, 127, unsaturated=True) == 1
    assert (sums(tmp_path, 127) < 1) == cores.saturates(cores.processor())


def test_exported_steps_do_not_saturate(tmp_path: Path):
    """The largest weights and activations that export gives on this processor leave the sums exact."""
    assert sums(tmp_path, int8_range.WEIGHT, int8_range.ACTIVATION) == 1


SOURCE = "/onnxruntime_src/onnxruntime/core"
OPTIONS = f"{SOURCE}/providers/cuda/cuda_execution_provider_info.cc:62 static onnxruntime::CUDAExecutionProviderInfo"
OPTIONS += " onnxruntime::CUDAExecutionProviderInfo::FromProviderOptions(const onnxruntime::ProviderOptions&)"
OPTIONS += " [ONNXRuntimeError] : 1 : FAIL : provider_options_utils.h:187 Parse "
CALL = f"{SOURCE}/providers/cuda/cuda_call.cc:121 bool onnxruntime::CudaCall(ERRTYPE, const char*, const char*)"
CALL += " [with ERRTYPE = cudaError; bool THRW = true] "
LIBRARY = f"{SOURCE}/session/provider_bridge_ort.cc:1426 onnxruntime::Provider& onnxruntime::ProviderLibrary::Get()"
BACKEND = "/onnxruntime/onnxruntime/core/providers/openvino"
LOAD = f"{BACKEND}/backends/basic_backend.cc:136 onnxruntime::openvino_ep::BasicBackend::BasicBackend("
LOAD += "std::unique_ptr<onnx::ModelProto>&, onnxruntime::openvino_ep::ptr_stream_t&) "
LOAD += (
    f"{BACKEND}/ov_interface.cc:28 auto onnxruntime::openvino_ep::OvExceptionBoundary(Func&&, Args&& ...) [with bool"
)
LOAD += " typed = false; Func = OVCore::CompileModel(ov::AnyMap&, bool)::<lambda()>; Args = {const char&}] "
NESTED = (
    "Exception from src/inference/src/cpp/core.cpp:114:\nException from src/plugins/intel_cpu/src/config.cpp:475:\n"
)
ABSENT = "Invalid device ID: 7, must be between 0 (inclusive) and 1 (exclusive)"
NONE = "CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ; expr=cudaGetDeviceCount(&num_devices);"
LAMBDA = f"{SOURCE}/common/logging.h:9 void f(int, std::function<void(int)>)::<lambda(int)> "


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (f"{OPTIONS}cuda_execution_provider_info.cc:73 operator() {ABSENT}.\n", ABSENT),
        (f"{OPTIONS}{NONE}", NONE),
        (f"{CALL}{CALL}CUDA failure 2: out of memory ; expr=f(a);", "CUDA failure 2: out of memory ; expr=f(a);"),
        (f"{LIBRARY} [ONNXRuntimeError] : 1 : FAIL : libcudnn.so.8: cannot open\n", "libcudnn.so.8: cannot open"),
        (
            f"[ONNXRuntimeError] : 1 : FAIL : At start: {LOAD}[OpenVINO-EP] {NESTED}NotFound: No X\nby Y\n\n",
            "At start: [OpenVINO-EP] NotFound: No X by Y",
        ),
        (f"{LAMBDA}it failed (why, it says).\nStacktrace:\n/lib/libc.so.6(+0x1)\n", "it failed (why, it says)"),
        ("no place (at all)", "no place (at all)"),
        ("", "RuntimeError"),
    ],
)
def test_a_provider_s_reason(message: str, expected: str):
    """What onnxruntime says of a failure is told whole, on one line, without the places in its source.

    The forms are those of public reports of onnxruntime-gpu (yolov5-onnxruntime 20), of its source for a device
    number that is too large, and of onnxruntime-openvino 1.24.1 where a property is unknown.
    """
    assert reason(RuntimeError(message)) == expected
