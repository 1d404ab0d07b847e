"""`shortlist eval`: measure how good searches are on a judged collection."""

from pathlib import Path
from typing import Annotated

from shortlist.console import command_line
from shortlist.console.extras import needs
from shortlist.evaluation.settings import EvalSettings

COMMAND = command_line.command(
    "eval",
    """\
shortlist eval datasets/scifact --embedder bundles/embedder --reranker bundles/reranker --plot scifact.svg
shortlist eval datasets/scifact --json > before.json
shortlist eval datasets/scifact --baseline before.json --similarity-weight 0
shortlist index --collection scifact datasets/scifact/corpus.jsonl
shortlist eval datasets/scifact --collection scifact --candidates 20,50 --run-out runs""",
)


@COMMAND.default
def run(
    folder: Annotated[
        Path,
        command_line.argument("corpus.jsonl, queries.jsonl, and qrels.tsv or qrels/SPLIT.tsv, as BEIR lays them out"),
    ],
    /,
    *,
    chosen: Annotated[EvalSettings, command_line.FLAT] = EvalSettings(),
) -> int:
    """Measure how good searches are on a judged collection.

    It indexes the corpus, asks its queries, and shows what each stage finds, with candidates by vectors (dense), by
    words (lexical), and by both (hybrid). Stage one alone has recall@10, 50, 100 and 200, nDCG@10 and MRR@10. Its
    recall is the ceiling of what stage two can find: what stage one misses is gone, and no reranker brings it back.
    Both stages have theirs over 10 to 200 candidates, with the share of relevant documents that stage one lost, the
    nDCG@10 that the best order of the candidates would have, and the difference to stage one on the same queries. A
    last table compares lexical and hybrid with dense.

    Measures are trec_eval's: nDCG has linear gain, a grade above 0 is relevant, what is not judged is not. Queries
    without a relevant document are left out. ± is the 95% confidence interval, and p is of a paired t-test over
    queries: below 0.05, chance alone seldom makes such a difference. Save a run with --json, change something, and
    --baseline compares, query by query.

    "ms" is the median time of a search alone, one after the other: let nothing else run. With --embedder and
    --reranker a server is started for the evaluation, else it is the one at --address. The collection that is made
    is dropped at the end. To evaluate often, index the corpus once, and name it with --collection.

    It needs the extra bench.
    """
    with needs("eval", "bench"):
        from shortlist.evaluation import app, plot  # noqa: PLC0415 (the base install does not have what they import)

        return app.run(folder, chosen, plot.draw)
