"""`shortlist rerank`: texts scored against a query."""

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from shortlist.client.types import Limits, RerankResult
from shortlist.console import colors, output
from shortlist.console.command import Command, Connection
from shortlist.console.options import UsageError
from shortlist.console.progress import Progress
from shortlist.reading import sources
from shortlist.server.errors import check_range

from . import excerpt, scoring


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankSettings(Connection):
    """The settings of `shortlist rerank`."""

    query: str = field(metadata={"help": "what to score the texts against", "positional": True, "metavar": "QUERY"})
    texts: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "what to score; if there is none, each line of standard input is one",
            "positional": True,
            "metavar": "TEXT",
        },
    )
    top_k: int | None = field(default=None, metadata={"help": "texts to show; all if it is not given"})
    json: bool = field(default=False, metadata={"help": "print the result as one JSON object"})

    def __post_init__(self) -> None:
        """Refuse what would show nothing.

        Raises:
            UsageError, SettingsError: naming the setting, its value and the limit.
        """
        Connection.__post_init__(self)  # a dataclass with slots is not the class that super() would look for
        if self.top_k is not None:
            check_range("top_k", self.top_k, 1)


@dataclass(frozen=True, slots=True)
class Input:
    """A text to score."""

    number: int  # of the argument, or of the line, from 1
    text: str


def run(settings: RerankSettings) -> int:
    """Rerank, and print the texts with their scores."""
    inputs = [Input(number, text) for number, text in enumerate(settings.texts or sources.standard_lines(), start=1)]
    if not settings.texts:
        inputs = [one for one in inputs if one.text and not one.text.isspace()]
    if not inputs:
        raise UsageError("there is nothing to score; give texts as arguments, or as lines of standard input")
    texts = [one.text for one in inputs]
    with settings.client() as client:
        limits = client.describe().limits
        check(inputs, "text" if settings.texts else "standard input, line", limits)
        with Progress(sys.stderr, "scored", len(texts), noun="text") as progress:
            result = scoring.score(client, settings.query, texts, limits, progress.update)
    result = dataclasses.replace(result, results=result.results[: settings.top_k])
    if settings.json:
        output.write(output.as_json(result))
    else:
        terms = excerpt.terms(settings.query, texts)
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

    rows = [
        (str(place), output.number(one.score, 4), str(numbers[one.index]), one.text)
        for place, one in enumerate(result.results, start=1)
    ]
    yield output.table(("place", "score", "input", "text"), rows, last)
    if result.degraded:
        yield scoring.shortfall(result.degraded, result.reranked, len(numbers), "texts")
    if result.truncated:
        yield f"texts longer than the model's window, cut for it: {result.truncated}"


COMMAND = Command(
    summary="score texts against a query",
    description="""\
Score texts against a query with the reranker alone, best first. The texts are arguments, or else the lines of
standard input, empty ones left out; "input" is the number of the argument or line. Nothing is stored. Any number of
texts is scored, in several calls where one would be too large; --timeout-s counts for each.""",
    examples="""\
  shortlist rerank "how do I stop the server?" "bananas are yellow" "send SIGTERM to stop the server"
  grep -rh TODO src | shortlist rerank "memory leak" --top-k 5
  shortlist rerank "what is France's capital?" --json < answers.txt | jq '.results[0].text'""",
    settings=lambda: RerankSettings,
    run=run,
)
