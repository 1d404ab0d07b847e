"""`shortlist finetune`: train a model on data of one's own, if what that takes is installed."""

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
shortlist export my-reranker --kind reranker --out bundles/reranker

shortlist finetune --kind late-interaction --base sentence-transformers/all-MiniLM-L6-v2 --out my-tokens \\
  --teacher bundles/reranker --embedder bundles/embedder --sets my-collection
shortlist export my-tokens --kind late-interaction --out bundles/late-interaction""",
)


@COMMAND.default
def run(*, chosen: Annotated[FinetuneSettings, command_line.FLAT]) -> int:
    """Train a reranker or a late-interaction model.

    A reranker (--kind reranker) is a cross-encoder, or a dual encoder's body with a new head: it reads each pair of
    query and passage, 10 to 50 of them a search. A late-interaction model (--kind late-interaction, ColBERT) is a
    dual encoder's body with a projection of every token's vector: passages are read before anybody asks, so
    hundreds of them are ordered in a few milliseconds, at --dimensions bytes a token on disk.

    Negatives are mined with a dual encoder, and the order of a teacher is distilled beside the labels, so that the
    model stays useful on texts unlike those that it was trained on; --teacher names a reranker, for one. The result
    is a LoRA adapter of a few megabytes with its model card, which `shortlist export` merges. It needs the extra
    finetune. An interrupted run continues when it is started again.
    """
    with needs("finetune", "finetune"):
        from shortlist.finetune import app  # noqa: PLC0415 (the base install does not have what it imports)

        figures = app.run(chosen, lambda message: print(message, file=sys.stderr, flush=True))
    print(json.dumps(figures))
    return 0
