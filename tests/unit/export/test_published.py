"""Which of a repository's ONNX files is taken in, and what it takes and gives."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto

import graphs
from shortlist.export import interface, published
from shortlist.export.errors import ExportError

FP32 = graphs.encoder()
HALF = graphs.encoder(weights=TensorProto.FLOAT16)
BYTES = graphs.encoder(weights=TensorProto.INT8)  # quantized without an operator that says so
QUANTIZED = graphs.encoder(operators=["DynamicQuantizeLinear"])
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 90000\n"


def folder(path: Path, **files: onnx.ModelProto | bytes) -> Path:
    """Write a repository's graphs; a name's slashes are spelt `__`, its suffix is left out."""
    for name, content in files.items():
        target = path / f"{name.replace('__', '/')}.onnx"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"onnx__model": FP32}, "onnx/model.onnx"),
        ({"model": FP32}, "model.onnx"),
        ({"onnx__model": FP32, "onnx__model_O3": FP32, "onnx__model_int8": QUANTIZED}, "onnx/model.onnx"),
        ({"onnx__model": QUANTIZED, "onnx__encoder": FP32, "a": HALF, "b": BYTES}, "onnx/encoder.onnx"),
        ({"model": POINTER, "onnx__model": FP32}, "onnx/model.onnx"),
    ],
)
def test_the_fp32_graph_is_found(files: dict[str, Any], expected: str, tmp_path: Path) -> None:
    """The one at a standard place, else the only one that is fp32 by what is in it."""
    assert published.chosen(folder(tmp_path, **files), "m", "") == expected


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (
            {"onnx__model": FP32, "model": FP32},
            r"several graphs \(model\.onnx, onnx/model\.onnx\); choose one with --gr",
        ),
        ({"a": FP32, "b": FP32, "c": HALF}, r"several graphs \(a\.onnx, b\.onnx\); choose one with --graph"),
        (
            {"onnx__model_quantized": QUANTIZED, "onnx__model_fp16": HALF, "onnx__model": POINTER},
            r"nor an fp32 graph \(onnx/model\.onnx is damaged .*; onnx/model_fp16\.onnx is in half.*; .* quantized",
        ),
    ],
)
def test_no_one_graph(files: dict[str, Any], named: str, tmp_path: Path) -> None:
    """Several graphs, or none that is fp32: each is named, with what it is."""
    with pytest.raises(ExportError, match=named):
        published.chosen(folder(tmp_path, **files), "m", "")


def test_the_graph_that_is_asked_for(tmp_path: Path) -> None:
    """--graph chooses among several; what is not there or not fp32 is refused with a list of what is."""
    found = folder(tmp_path, onnx__model=FP32, onnx__model_O3=FP32, onnx__model_O4=HALF, onnx__model_int8=QUANTIZED)
    assert published.chosen(found, "m", "onnx/model_O3.onnx") == "onnx/model_O3.onnx"
    for asked, named in (
        ("onnx/model_O4.onnx", "is in half precision; name an fp32 graph"),
        ("onnx/model_int8.onnx", "is quantized already; name an fp32 graph"),
        ("model.onnx", r"m has no graph model\.onnx; it holds onnx/model\.onnx, onnx/model_O3\.onnx"),
        ("../elsewhere/model.onnx", "has no graph"),
    ):
        with pytest.raises(ExportError, match=named):
            published.chosen(found, "m", asked)


def large(path: Path) -> Path:
    """Write a graph whose weights lie beside it."""
    path.parent.mkdir(parents=True)
    onnx.save(graphs.encoder(), path, save_as_external_data=True, location=f"{path.name}_data", size_threshold=0)
    return path


def test_weights_beside_a_graph(tmp_path: Path) -> None:
    """Weights beside a graph belong to it, and one that misses them is refused."""
    path = large(tmp_path / "onnx" / "model.onnx")
    assert published.files(path) == [path, path.with_name("model.onnx_data")]
    assert published.files(graphs.save(FP32, tmp_path / "small.onnx")) == [tmp_path / "small.onnx"]
    path.with_name("model.onnx_data").unlink()
    with pytest.raises(ExportError, match=r"keeps weights in model\.onnx_data, which is not beside it"):
        published.files(path)


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_weights_of_a_hubs_cache(link: Callable[[Path, Path], None], tmp_path: Path) -> None:
    """A hub's cache holds links to files of other names; its graphs are loaded with their weights all the same."""
    path = large(tmp_path / "cache" / "onnx" / "model.onnx")
    for name in ("model.onnx", "model.onnx_data"):
        blob = tmp_path / "blobs" / f"sha-of-{name}"
        blob.parent.mkdir(exist_ok=True)
        shutil.move(path.with_name(name), blob)
        link(path.with_name(name), blob)
    found = published.loaded(path, tmp_path / "scratch")
    assert [tensor.raw_data for tensor in found.graph.initializer] == [t.raw_data for t in FP32.graph.initializer]


def test_weights_outside_the_folder_are_refused(tmp_path: Path) -> None:
    """A graph that reads files elsewhere on the machine is not followed."""
    path = large(tmp_path / "onnx" / "model.onnx")
    graph = onnx.load(path, load_external_data=False)
    for tensor in graph.graph.initializer:
        tensor.external_data[0].value = "../../secret"
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(ExportError, match=r"keeps weights in \.\./\.\./secret, outside its folder"):
        published.files(path)


@pytest.mark.parametrize("content", [POINTER, b"", FP32.SerializeToString()[:-40]])
def test_damaged_files_are_named(content: bytes, tmp_path: Path) -> None:
    """A pointer in place of a file, an empty and a cut one: each is no ONNX file."""
    with pytest.raises(ExportError, match=r"model\.onnx is damaged or no ONNX file"):
        published.loaded(folder(tmp_path, model=content) / "model.onnx", tmp_path)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (
            {"inputs": ("input_ids", "attention_mask", "position_ids")},
            "m takes input_ids, attention_mask, position_ids",
        ),
        ({"inputs": ("input_ids",)}, "m takes input_ids, but a text encoder takes input_ids and attention_mask"),
        ({"kind": TensorProto.INT32}, "takes input_ids as INT32, but the server gives INT64"),
        ({"axes": ("batch", 128)}, "takes input_ids as INT64 of the fixed size 128.*free axes"),
        ({"opset": 10}, "has opset 10, but 11 to"),
        ({"opset": 99}, "has opset 99, but 11 to"),
    ],
)
def test_inputs_that_the_server_does_not_make(changed: dict[str, Any], named: str) -> None:
    """Other inputs, other types, fixed axes and other opsets are refused by name."""
    with pytest.raises(ExportError, match=named):
        interface.inputs(graphs.encoder(**changed), "m")


def test_inputs_that_the_server_makes() -> None:
    """Ids and mask, with token types or without; weights that an old graph lists among its inputs are none."""
    assert interface.inputs(graphs.encoder(), "m") == graphs.INPUTS
    typed = (*graphs.INPUTS, "token_type_ids")
    old = graphs.encoder(inputs=typed)
    old.graph.input.append(onnx.helper.make_tensor_value_info("table", TensorProto.FLOAT, None))
    assert interface.inputs(old, "m") == typed


def test_outputs() -> None:
    """An output is known by its name and must be fp32; others are refused with what there is."""
    for output, kind in (
        ("last_hidden_state", "embedder"),
        ("token_embeddings", "embedder"),
        ("sentence_embedding", "embedder"),
        ("logits", "reranker"),
    ):
        assert interface.output(graphs.encoder(output=output), kind, "m") == output
    with pytest.raises(ExportError, match="m gives logits, but an embedder gives last_hidden_state or token_emb"):
        interface.output(graphs.encoder(output="logits"), "embedder", "m")
    with pytest.raises(ExportError, match="m gives last_hidden_state, but a reranker gives logits"):
        interface.output(graphs.encoder(), "reranker", "m")
    with pytest.raises(ExportError, match="gives last_hidden_state as FLOAT16, but it must be FLOAT"):
        interface.output(graphs.encoder(weights=TensorProto.FLOAT16), "embedder", "m")
