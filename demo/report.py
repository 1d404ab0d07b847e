"""How the demo shows a search: the best hits in their final order, what ordered them, where stage one had them."""

from collections.abc import Collection, Iterator, Sequence

from shortlist.client import Hit, SearchResult
from shortlist.console import colors, columns

_SHOWN = 5
_NUMBERS = "{:>4} -> {:<2}  {:>9}  {:>5}  {:>10} "  # place in stage one, place now, relevance, score, similarity
_MOST_NAME = 32


def lines(query: str, result: SearchResult, answers: Collection[str] = (), *, colored: bool = False) -> Iterator[str]:
    """Yield the lines that show one search, none wider than the terminal; what answers has a star."""
    timing = result.timing
    stages = f"stage one: {result.candidates} found in {timing.embed_ms + timing.retrieve_ms:.0f} ms"
    stages += f"; stage two: {result.reranked} read in {timing.rerank_ms:.0f} ms"
    yield ""
    yield colors.bold(query) if colored else query
    found = [f"  {stages}", *_table(result.hits[:_SHOWN], answers)]
    yield from (columns.cut(line, columns.terminal()).rstrip() for line in found)


def _table(hits: Sequence[Hit], answers: Collection[str]) -> Iterator[str]:
    if not hits:
        return
    width = min(_MOST_NAME, max(len(hit.id) for hit in hits))
    yield f"{_NUMBERS.format('was', 'is', 'relevance', 'score', 'similarity')}  {'name':<{width}}  what it says"
    for place, hit in enumerate(hits, start=1):
        relevance, score = ("-" if one is None else f"{one:.3f}" for one in (hit.relevance, hit.score))
        numbers = _NUMBERS.format(hit.rank, place, relevance, score, f"{hit.similarity:.2f}")
        # A name's end says more than its beginning.
        name = hit.id if len(hit.id) <= width else f"...{hit.id[3 - width :]}"
        star = "*" if hit.id in answers else " "
        yield f"{numbers}{star} {name:<{width}}  {_first_line(hit)}"


def _first_line(hit: Hit) -> str:
    """Return a document's first line that is more than its own name and signature."""
    lines = hit.text.splitlines()
    return next((line for line in lines if line and not hit.id.endswith(line.split("(", 1)[0])), hit.title)
