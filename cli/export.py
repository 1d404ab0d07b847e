"""`shortlist export`: turn a model into a bundle, if what that takes is installed."""

import sys
from typing import Annotated

from shortlist.console import command_line, output
from shortlist.console.extras import needs
from shortlist.console.progress import Steps
from shortlist.export.settings import ExportSettings

COMMAND = command_line.command(
    "export",
    """\
shortlist export sentence-transformers/all-MiniLM-L6-v2 --out bundles/embedder
shortlist export ./my-reranker --kind reranker --out bundles/reranker --calibration judged.jsonl
shortlist export ./published --graph onnx/model.onnx --variants fp32,int8-token --out bundles/embedder""",
)


@COMMAND.default
def run(
    model: Annotated[
        str,
        command_line.argument(
            "model id, folder, PEFT adapter folder, or package:NAME/FOLDER for a model inside an installed"
            " Python package"
        ),
    ],
    /,
    *,
    chosen: Annotated[ExportSettings, command_line.FLAT],
) -> int:
    """Turn a model into a bundle that the server runs.

    A dual encoder or a cross-encoder becomes a bundle: ONNX graphs, plain and quantized, with tokenizer and
    manifest. fp32 is held against sentence-transformers; every other variant against fp32, on texts that ship or
    on yours, and one that loses too much is left out. What was measured is in the manifest. The model is a hub
    id, a local folder, or a PEFT adapter, which is merged into its base. Where there are no PyTorch weights, an
    ONNX graph that was published in their place is taken in. It needs the extra export; the server does not.
    """
    with needs("export", "export"):
        from shortlist.export import app  # noqa: PLC0415 (the base install does not have what it imports)

        # PyTorch is imported only if there is something to do.
        with Steps(sys.stderr) as steps:
            bundle = app.run(model, chosen, steps.say)
    output.write(str(bundle.path))
    return 0
