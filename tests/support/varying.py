"""Bundles with a variant whose results vary with the batch, as none that is exported for the CPU provider does."""

import shutil
from pathlib import Path

import msgspec
import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from shortlist.export.silence import quiet
from shortlist.server.runtime import bundle
from shortlist.server.runtime.manifest import MANIFEST, File

VARIANT = "dynamic"


def quantize(source: Path, target: Path) -> Path:
    """Write a copy of a graph in onnxruntime's dynamic int8, which takes activations' scales over a whole run."""
    model = onnx.load(source)
    add_pre_process_metadata(model)  # it was optimized already; without the mark the quantizer asks for it
    with quiet():
        quantize_dynamic(
            model,
            target,
            op_types_to_quantize=["MatMul", "Attention"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            reduce_range=True,  # sums that saturate on no processor
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},  # for what the fusions made
        )
    return target


def copy(source: Path, target: Path) -> Path:
    """Copy a bundle, and add that variant."""
    shutil.copytree(source, target)
    manifest = bundle.load(target).manifest
    file = File.of(quantize(target / "fp32.onnx", target / f"{VARIANT}.onnx"))
    variant = msgspec.structs.replace(
        manifest.variants["fp32"],
        files=(file,),
        precision="int8, dynamic",
        batch_invariant=False,
        parity={},
        providers=("cpu",),
    )
    changed = msgspec.structs.replace(manifest, variants={**manifest.variants, VARIANT: variant})
    (target / MANIFEST).write_text(changed.to_json(), encoding="utf-8")
    return target
