"""ONNX files as model repositories publish them: which of a folder's is taken in, and which files it consists of.

Repositories hold the same model many times over: `onnx/model.onnx`, the same optimized for one runtime (`model_O3`),
in half precision (`model_O4`, `model_fp16`) and quantized for several processors (`model_qint8_avx512_vnni`). What an
export starts from is the one in fp32; the rest it makes itself. Files are judged by what is in them, not by their
names. Imports no PyTorch.
"""

import shutil
from pathlib import Path, PurePosixPath

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from .errors import ExportError

# Where optimum, sentence-transformers and transformers.js put the fp32 graph.
STANDARD = ("onnx/model.onnx", "model.onnx")
_QUANTIZED = {
    *("DynamicQuantizeLinear", "QuantizeLinear", "DequantizeLinear", "MatMulInteger", "MatMulIntegerToFloat"),
    *("DynamicQuantizeMatMul", "QLinearMatMul", "QGemm", "QAttention", "QEmbedLayerNormalization"),
    *("MatMulNBits", "MatMulBnb4", "GatherBlockQuantized"),
}
_HALF = {TensorProto.FLOAT16, TensorProto.BFLOAT16}
# Matrices of these are weights that a Cast and a Mul turn into floats: quantized without an operator of their own.
_SMALL = {TensorProto.INT8, TensorProto.UINT8, TensorProto.INT4, TensorProto.UINT4}


def chosen(folder: Path, name: str, asked: str) -> str:
    """Return which graph of a folder is taken in, as a path relative to it.

    Args:
        folder: the model's.
        name: the model's, for messages.
        asked: the graph that was asked for; if empty the one at a standard place, else the only one that is fp32.

    Raises:
        ExportError: it is not there or cannot be taken in, or several could be; the message names them.
    """
    found = _found(folder)
    listed = ", ".join(found) or "no ONNX file"
    if asked:
        if PurePosixPath(asked).as_posix() not in found:
            raise ExportError(f"{name} has no graph {asked}; it holds {listed}")
        if reason := _unfit(folder / asked):
            raise ExportError(f"{asked} of {name} {reason}; name an fp32 graph with --graph (it holds {listed})")
        return PurePosixPath(asked).as_posix()
    reasons = {graph: _unfit(folder / graph) for graph in found}
    fit = [graph for graph, reason in reasons.items() if not reason]
    for candidates in ([graph for graph in fit if graph in STANDARD], fit):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            raise ExportError(f"{name} holds several graphs ({', '.join(candidates)}); choose one with --graph")
    told = "; ".join(f"{graph} {reason}" for graph, reason in reasons.items())
    raise ExportError(f"{name} holds neither PyTorch weights nor an fp32 graph ({told}); name a model that has one")


def has_graphs(folder: Path) -> bool:
    """Return whether there is any ONNX file in the places where they are published."""
    return bool(_found(folder))


def files(path: Path) -> list[Path]:
    """Return a graph's files, the graph first, then those that hold its weights.

    Raises:
        ExportError: one is damaged or missing.
    """
    locations = {
        ExternalDataInfo(tensor).location for tensor in parsed(path).graph.initializer if uses_external_data(tensor)
    }
    if outside := [place for place in locations if Path(place).is_absolute() or ".." in Path(place).parts]:
        raise ExportError(f"{path.name} keeps weights in {outside[0]}, outside its folder; it is not to be trusted")
    beside = [path.parent / location for location in sorted(locations)]
    if missing := [entry.name for entry in beside if not entry.is_file()]:
        raise ExportError(f"{path.name} keeps weights in {missing[0]}, which is not beside it; fetch it too")
    return [path, *beside]


def parsed(path: Path) -> onnx.ModelProto:
    """Parse a graph without the weights that lie beside it.

    Raises:
        ExportError: it is damaged.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError) as error:
        raise ExportError(f"{path.name} is damaged or no ONNX file ({error}); fetch it again") from error
    if not model.graph.node:
        raise ExportError(f"{path.name} is damaged or no ONNX file (nothing is in it); fetch it again")
    return model


def loaded(path: Path, scratch: Path) -> onnx.ModelProto:
    """Load a graph with all its weights.

    Weights beside a graph that are links of any kind are refused by onnx, and a hub's cache consists of links; such
    files are copied to `scratch` first.

    Raises:
        ExportError: the weights are damaged.
    """
    parts = files(path)
    if any(part.is_symlink() or part.stat().st_nlink > 1 for part in parts[1:]):
        for part in parts:
            target = scratch / "published" / part.relative_to(path.parent)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(part, target)
        path = scratch / "published" / path.name
    try:
        return onnx.load(path)
    except (onnx.checker.ValidationError, ValueError, OSError) as error:
        raise ExportError(f"the weights beside {path.name} cannot be read ({error}); fetch them again") from error


def _found(folder: Path) -> list[str]:
    paths = [*folder.glob("*.onnx"), *(folder / "onnx").glob("*.onnx")]
    return sorted(path.relative_to(folder).as_posix() for path in paths if path.is_file())


def _unfit(path: Path) -> str:
    """Return why a graph is not taken in; empty if it may be."""
    try:
        graph = parsed(path).graph
    except ExportError:
        return "is damaged or no ONNX file"
    constants = [attribute.t for node in graph.node for attribute in node.attribute if attribute.name == "value"]
    tensors = [*graph.initializer, *constants]
    matrices = {tensor.data_type for tensor in tensors if len(tensor.dims) > 1}
    if _QUANTIZED & {node.op_type for node in graph.node} or _SMALL & matrices:
        return "is quantized already"
    return "is in half precision" if _HALF & {tensor.data_type for tensor in tensors} else ""
