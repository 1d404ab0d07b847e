"""`shortlist rerank`: texts scored against a query."""

from dataclasses import dataclass, field

from shortlist.client import output, sources
from shortlist.client.command import Command, Connection
from shortlist.client.options import UsageError
from shortlist.client.types import RerankResult


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankSettings(Connection):
    """Hold the settings of `shortlist rerank`."""

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


def run(settings: RerankSettings) -> int:
    """Rerank, and print the texts with their scores."""
    texts = settings.texts or _lines()
    if not texts:
        raise UsageError("there is nothing to score; give texts as arguments, or as lines of standard input")
    with settings.client() as client:
        result = client.rerank(settings.query, texts, top_k=settings.top_k)
    output.write(output.as_json(result) if settings.json else shown(result))
    return 0


def shown(result: RerankResult) -> str:
    """Return a result as a table."""
    rows = [
        (str(place), output.number(one.score, 4), str(one.index + 1), one.text)
        for place, one in enumerate(result.results, start=1)
    ]
    lines = [output.table(("place", "score", "input", "text"), rows)]
    if result.degraded:
        lines.append(f"the deadline came near: only {result.reranked} texts have a score")
    if result.truncated:
        lines.append(f"{result.truncated} texts were longer than the model's window, and were cut for it")
    return "\n".join(lines)


def _lines() -> list[str]:
    try:
        content = b"".join(sources.STANDARD_INPUT.lines()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"standard input: byte {error.start} is not UTF-8; convert it first") from None
    return [text for text in content.split("\n") if text.strip()]


COMMAND = Command(
    summary="score texts against a query",
    description="""\
Score texts against a query with the reranker alone, best first. The texts are arguments, or else the lines of
standard input, empty ones left out. Nothing is stored.""",
    examples="""\
  shortlist rerank "how do I stop the server?" "bananas are yellow" "send SIGTERM to stop the server"
  grep -rh TODO src | shortlist rerank "memory leak" --top-k 5
  shortlist rerank "what is France's capital?" --json < answers.txt | jq '.results[0].text'""",
    settings=lambda: RerankSettings,
    run=run,
)
