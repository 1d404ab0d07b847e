"""`shortlist tune`: find the settings that are fastest on this machine, if a server is installed."""

import sys
from typing import TYPE_CHECKING, Annotated

from shortlist.console import command_line, output, tables
from shortlist.console.extras import needs
from shortlist.tune.settings import TuneSettings

if TYPE_CHECKING:
    from shortlist.tune.app import Tuned
    from shortlist.tune.race import Trial

COMMAND = command_line.command(
    "tune",
    """\
shortlist tune --embedder bundles/minilm --reranker bundles/ms-marco --data /var/lib/shortlist
shortlist serve --config shortlist.toml
shortlist tune --provider openvino --out openvino.toml --json 2> /dev/null | jq .chosen""",
)


@COMMAND.default
def run(*, chosen: Annotated[TuneSettings, command_line.FLAT] = TuneSettings()) -> int:
    """Find the settings that are fastest on this machine.

    Run searches through two bundles on this machine, in every sensible arrangement of slots, threads, batch
    budgets and variants of the reranker, and write the best to a settings file that `shortlist serve --config`
    reads. It takes a minute or two, wants the machine for itself, and leaves the collections alone.

    What counts is the geometric mean of two figures: pairs scored a second with many searches at once, and the
    time of one search on an idle server. The defaults stay unless something is better by 3%. It needs one of the
    extras cpu, gpu and openvino.
    """
    with needs("tune", "cpu, gpu or openvino"):
        from shortlist.tune import app  # noqa: PLC0415 (the base install does not have what it imports)

        tuned = app.run(chosen, lambda message: print(message, file=sys.stderr, flush=True))
    output.write(output.as_json(tuned) if chosen.json else shown(tuned))
    return 0


def shown(tuned: "Tuned") -> str:
    """Return what was tried as a table, and the choice below it."""
    heads = ("variant", "slots", "threads", "batch tokens", "pairs/s", "alone ms", "score", "measured")
    (base,) = (one.best.score for one in tuned.trials if one.arrangement == tuned.default and one.best)
    return "\n".join(
        [
            tables.table(heads, [_row(one, tuned, base) for one in tuned.trials]),
            "",
            f"pairs/s: many searches at once; alone: one search of {tuned.candidates} candidates on an idle server;",
            "score: the geometric mean of both, over the defaults' in the final",
            f"reranker: {tuned.verdict()}",
            f"embedder: {tuned.embedder_variant}, {tuned.reason}",
            *([f"warning: {tuned.warning}"] if tuned.warning else []),
            f"written to {tuned.out} after {tuned.seconds:.0f} s; shortlist serve --config {tuned.out}",
        ]
    )


def _row(trial: "Trial", tuned: "Tuned", base: float) -> tuple[str, ...]:
    one, best = trial.arrangement, trial.best
    marks = [mark for mark, marked in (("chosen", tuned.chosen), ("defaults", tuned.default)) if marked == one]
    measured = f"{trial.stage}, {'once' if trial.rounds == 1 else f'best of {trial.rounds}'}"
    return (
        one.variant,
        str(one.slots),
        str(one.threads),
        str(one.batch_tokens),
        tables.number(best.pairs_per_s if best else None, 1),
        tables.number(best.alone_ms if best else None, 1),
        tables.number(best.score / base if best else None, 3),
        ", ".join([measured, *marks]) if best else trial.refused,
    )
