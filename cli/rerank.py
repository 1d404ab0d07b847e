"""`shortlist rerank`: texts scored against a query."""

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Annotated

from shortlist.client.description import Limits
from shortlist.client.types import RerankModel, RerankResult
from shortlist.console import colors, command_line, output, tables
from shortlist.console.connection import Connection
from shortlist.console.errors import UsageError
from shortlist.console.progress import Progress
from shortlist.reading import sources
from shortlist.server.settings import within

from . import excerpt, scoring


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankSettings(Connection):
    """The settings of `shortlist rerank`."""

    top_k: Annotated[int | None, within(1)] = None
    """texts to show; all if it is not given"""
    model: RerankModel = "reranker"
    """what scores them: the reranker, or the late-interaction model, which is faster and whose scores are mean
    cosines"""
    json: bool = False
    """print the result as one JSON object"""


@dataclass(frozen=True, slots=True)
class Input:
    """A text to score."""

    number: int  # of the argument, or of the line, from 1
    text: str


COMMAND = command_line.command(
    "rerank",
    """\
shortlist rerank "how do I stop the server?" "bananas are yellow" "send SIGTERM to stop the server"
grep -rh TODO src | shortlist rerank "memory leak" --top-k 5
shortlist rerank "what is France's capital?" --json < answers.txt | jq '.results[0].text'""",
)


@COMMAND.default
def run(
    query: Annotated[str, command_line.argument("what to score the texts against")],
    /,
    *texts: Annotated[
        str, command_line.argument("what to score; if there is none, each line of standard input is one")
    ],
    settings: Annotated[RerankSettings, command_line.FLAT] = RerankSettings(),
) -> int:
    """Score texts against a query.

    A model alone scores them, best first: the reranker, unless --model says otherwise. The texts are arguments, or
    else the lines of standard input, empty ones left out; "input" is the number of the argument or line. Nothing is
    stored. Any number of texts is scored, in several calls where one would be too large; --timeout-s counts for each.
    """
    inputs = [Input(number, text) for number, text in enumerate(texts or sources.standard_lines(), start=1)]
    if not texts:
        inputs = [one for one in inputs if one.text and not one.text.isspace()]
    if not inputs:
        raise UsageError("there is nothing to score; give texts as arguments, or as lines of standard input")
    scored = [one.text for one in inputs]
    with settings.client() as client:
        limits = client.describe().limits
        check(inputs, "text" if texts else "standard input, line", limits)
        with Progress(sys.stderr, "scored", len(scored), noun="text") as progress:
            result = scoring.score(client, query, scored, limits, progress.update, settings.model)
    result = dataclasses.replace(result, results=result.results[: settings.top_k])
    if settings.json:
        output.write(output.as_json(result))
    else:
        terms = excerpt.terms(query, scored)
        page = shown(result, terms, [one.number for one in inputs], colored=colors.wanted(sys.stdout))
        output.write("\n".join(page))
    return 0


def check(inputs: Sequence[Input], name: str, limits: Limits) -> None:
    """Refuse texts that the server would, by their number among all, before any is scored.

    Raises:
        UsageError: one is empty or too large.
    """
    for one in inputs:
        if not one.text or one.text.isspace():
            raise UsageError(f"{name} {one.number} is empty; leave it out")
        size = len(one.text.encode(errors="surrogatepass"))
        if size > limits.max_text_bytes:
            raise UsageError(
                f"{name} {one.number} has {size:,} bytes, but {limits.max_text_bytes:,} are the most; cut it into"
                " passages: models read some hundred words of each"
            )


def shown(result: RerankResult, terms: excerpt.Terms, numbers: Sequence[int], *, colored: bool) -> Iterator[str]:
    """Yield a result as a table, and below it what fell short.

    Args:
        result: what to show.
        terms: words of the query.
        numbers: what people call each text of the request.
        colored: whether to mark those words.
    """

    def last(text: str, room: int) -> list[str]:
        lines = excerpt.lines(text, terms, room, excerpt.enough(room))
        return [colors.marked(line, excerpt.spans(line, terms)) for line in lines] if colored else lines

    late = any(one.maxsim is not None for one in result.results)
    rows = [
        (
            str(place),
            tables.number(one.score, 4),
            *([tables.number(one.maxsim, 4)] if late else []),
            str(numbers[one.index]),
            one.text,
        )
        for place, one in enumerate(result.results, start=1)
    ]
    heads = ("place", "score", *(["maxsim"] if late else []), "input", "text")
    yield from chain.from_iterable(tables.blocks(heads, rows, last))
    if result.degraded:
        yield scoring.shortfall(result.degraded, result.reranked, len(numbers), "texts")
    if result.truncated:
        yield f"texts longer than the model's window, cut for it: {result.truncated}"
