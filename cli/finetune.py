"""`shortlist finetune`: train a cross-encoder on data of one's own, if what that takes is installed."""

import json
import sys
from typing import Annotated

from shortlist.console import command_line
from shortlist.console.extras import needs
from shortlist.finetune.settings import FinetuneSettings

COMMAND = command_line.command(
    "finetune",
    """\
shortlist finetune --base sentence-transformers/all-MiniLM-L6-v2 --out my-reranker \\
  --sets my-collection --sets train-mix/py-api=0.5
shortlist export my-reranker --kind reranker --out bundles/reranker""",
)


@COMMAND.default
def run(*, chosen: Annotated[FinetuneSettings, command_line.FLAT]) -> int:
    """Train a cross-encoder on judged queries of your own.

    It fine-tunes a cross-encoder, or a dual encoder's body with a new head. Negatives are mined
    with a dual encoder, whose order is distilled beside the labels, so that the model stays useful on texts
    unlike those that it was trained on. The result is a LoRA adapter of a few megabytes with its model card,
    which `shortlist export` merges. It needs the extra finetune. An interrupted run continues when it is started
    again.
    """
    with needs("finetune", "finetune"):
        from shortlist.finetune import app  # noqa: PLC0415 (the base install does not have what it imports)

        figures = app.run(chosen, lambda message: print(message, file=sys.stderr, flush=True))
    print(json.dumps(figures))
    return 0
