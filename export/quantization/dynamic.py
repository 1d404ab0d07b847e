"""fp32 weights to int8, one scale a column; activations are quantized as they come.

Per channel, since one scale a matrix wrecks small models (cosine 0.950 to fp32 where per channel has 0.995). The
embedding tables stay fp32: they can only have one scale a table, which costs quality and gains no time.

The scales of activations are taken over a whole batch, so a result depends on its batch-mates (onnxruntime issue
10111): the bundle says so, and the server runs such a graph one item at a time.
"""

from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from shortlist.export import graphs
from shortlist.export.silence import quiet

from . import int8_range

PRECISION = f"int8{' with 7-bit weights' if int8_range.REDUCED else ''}, dynamic, per channel"


def quantize(source: Path, target: Path, scratch: Path) -> None:
    """Write an int8 copy of a graph; `scratch` is a folder for files in between."""
    model = graphs.load(source)
    add_pre_process_metadata(model)  # it was optimized already; without the mark the quantizer asks for it
    draft = scratch / target.name
    with quiet():
        quantize_dynamic(
            model,
            draft,
            op_types_to_quantize=["MatMul", "Attention"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            reduce_range=int8_range.REDUCED,
            use_external_data_format=len(graphs.files(source)) > 1,
            # A fused graph has tensors whose type the quantizer cannot infer.
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
    graphs.save(graphs.load(draft), target)
