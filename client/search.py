"""`shortlist search`: one query against a collection, with what each stage thought of every hit."""

from dataclasses import dataclass, field

from shortlist.client import output
from shortlist.client.command import Command, Connection
from shortlist.client.types import Hit, Mode, SearchResult


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings(Connection):
    """Hold the settings of `shortlist search`."""

    query: str = field(metadata={"help": "what to look for", "positional": True, "metavar": "QUERY"})
    collection: str = field(metadata={"help": "collection to look in", "metavar": "NAME"})
    top_k: int = field(default=10, metadata={"help": "hits to show"})
    candidates: int | None = field(
        default=None,
        metadata={
            "help": "documents that stage one finds and stage two reads; if not given, 50 and at least top-k are"
            " found, and of these stage two reads what lies within margin and its budget of time"
        },
    )
    mode: Mode = field(
        default="auto",
        metadata={
            "help": "dense: stage one alone; rerank-all: stage two on every document of a small collection;"
            " auto: two-stage, with every document of a small collection for a candidate"
        },
    )
    blend: float | None = field(
        default=None,
        metadata={"help": "share of the similarity in the final order, 0 to 1; the default is the reranker's own"},
    )
    margin: float | None = field(
        default=None,
        metadata={
            "help": "stage two does not read candidates whose similarity is so far behind the best one's, but top-k"
            " at least; 2 reads them all. The default is the server's, 0.2, or 2 with --candidates"
        },
    )
    json: bool = field(default=False, metadata={"help": "print the result as one JSON object"})


def run(settings: SearchSettings) -> int:
    """Search, and print the hits."""
    with settings.client() as client:
        result = client.search(
            settings.collection,
            settings.query,
            top_k=settings.top_k,
            candidates=settings.candidates,
            mode=settings.mode,
            blend=settings.blend,
            margin=settings.margin,
        )
    output.write(output.as_json(result) if settings.json else shown(result))
    return 0


def shown(result: SearchResult) -> str:
    """Return a result as a table, and below it what ran and where the time went."""
    heads = ("place", "score", "similarity", "stage one", "id", "text")
    rows = [
        (
            str(place),
            output.number(hit.score, 4),
            output.number(hit.similarity, 4),
            f"{hit.rank} {_moved(hit, place)}",
            hit.id,
            f"{hit.title} | {hit.text}" if hit.title else hit.text,
        )
        for place, hit in enumerate(result.hits, start=1)
    ]
    lines = [output.table(heads, rows), "", _ran(result)] if rows else ["no hits", _ran(result)]
    if result.degraded:
        lines.append(f"the deadline came near: only {result.reranked} of {result.selected} candidates have a score")
    if result.truncated:
        lines.append(f"{result.truncated} texts were longer than a model's window, and were cut for it")
    return "\n".join(lines)


def _moved(hit: Hit, place: int) -> str:
    """Return how far stage two moved a hit: up is plus."""
    return f"({hit.rank - place:+d})" if hit.rank != place else ""


def _ran(result: SearchResult) -> str:
    timing = result.timing
    return (
        f"{result.mode}: {result.reranked} of {result.candidates} candidates reranked{_limited(result)};"
        f" {timing.total_ms:.1f} ms"
        f" (embed {timing.embed_ms:.1f}, retrieve {timing.retrieve_ms:.1f}, rerank {timing.rerank_ms:.1f})"
    )


def _limited(result: SearchResult) -> str:
    """Return why stage two read fewer candidates than there were."""
    match result.limited_by:
        case "margin":
            return " (the others are far less similar; --margin 2 reads all)"
        case "budget":
            return " (as many as the server's time for one search allows; --candidates names another number)"
        case None:
            return ""


COMMAND = Command(
    summary="find documents that answer a query",
    description="""\
Find the documents of a collection that answer a query, best first.

Stage one shortlists documents by the similarity of their vectors (cosine, -1 to 1). Stage two reads each of them
beside the query and scores it (0 to 1). The table shows both, and under "stage one" the document's place in that
stage's order, with how far stage two moved it: "7 (+6)" came up six places.""",
    examples="""\
  shortlist search --collection notes "how do I renew the certificate?"
  shortlist search --collection notes --mode dense --top-k 50 "certificate renewal"
  shortlist search --collection notes --json "certificate renewal" | jq -r '.hits[].id'""",
    settings=lambda: SearchSettings,
    run=run,
)
