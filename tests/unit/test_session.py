"""A session's run with bound inputs and output, as on GPUs, on the device that every machine has."""

import numpy as np
import pytest
from onnx import TensorProto, helper, save

from shortlist.server.errors import BundleError, ProviderError
from shortlist.server.providers import Target
from shortlist.server.session import Session
from shortlist.server.shapes import Shapes


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
