"""ONNX graphs on disk: loading, saving, and the two rules that all of ours follow.

Large graphs keep their weights beside them, since one protobuf message holds 2 GB at most.

No axis has a name. With names onnxruntime 1.32 sees that a residual addition has equal shapes and puts its
SkipLayerNormalization in, whose CPU kernel takes 3.6 ms of a MiniLM-L6 run of 128 tokens where Add and
LayerNormalization take 1.0: 12% of a fp32 run, 25% of an int8 one.
"""

from pathlib import Path

import onnx

_INLINE_BYTES = (1 << 31) - (1 << 26)  # a graph's nodes need some room beside its weights


def load(path: Path) -> onnx.ModelProto:
    """Load a graph with its weights."""
    return onnx.load(path)


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph, its weights beside it in `<name>_data` where it is large."""
    delete(path)  # onnx would append to weights that are there
    graph = model.graph
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        for axis in value.type.tensor_type.shape.dim:
            axis.ClearField("dim_param")
    if _weights_bytes(model) > _INLINE_BYTES:
        onnx.save(
            model, path, save_as_external_data=True, all_tensors_to_one_file=True, location=data_path(path).name
        )
    else:
        onnx.save(model, path)


def opset(model: onnx.ModelProto) -> int:
    """Return the version of ONNX's own operators in a graph."""
    return max((entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}), default=0)


def ranks(model: onnx.ModelProto) -> dict[str, int]:
    """Return how many axes each tensor has, as far as that can be told; of no tensor where a graph is large."""
    if _weights_bytes(model) > _INLINE_BYTES:
        return {}
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    values = (*inferred.value_info, *inferred.input, *inferred.output)
    return {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in values
        if value.type.tensor_type.HasField("shape")
    }


def _weights_bytes(model: onnx.ModelProto) -> int:
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer)


def delete(path: Path) -> None:
    """Delete a graph and its weights, if it is there."""
    for found in (path, data_path(path)):
        found.unlink(missing_ok=True)


def data_path(path: Path) -> Path:
    """Return where a large graph keeps its weights."""
    return path.with_name(f"{path.name}_data")


def files(path: Path) -> list[Path]:
    """Return a graph's files, the graph first."""
    return [path, *filter(Path.is_file, [data_path(path)])]
