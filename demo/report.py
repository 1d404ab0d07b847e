"""How the demo shows a search: what stage one ranked beside what stage two made of it, and what the best hit says."""

from collections.abc import Iterator

from shortlist.cli import excerpt
from shortlist.client import Hit, SearchResult
from shortlist.console import colors, columns, output

_SHOWN = 5
_INDENT, _GAP = "  ", "   "
_NUMBERS = 27  # columns of a line that are no names
_LEAST_NAME, _MOST_NAME = 16, 40


def lines(query: str, result: SearchResult, *, colored: bool = False) -> Iterator[str]:
    """Yield the lines that show one search, both stages side by side, as wide as the terminal has room for."""
    room = (output.terminal_columns() - _NUMBERS) // 2
    name = max(_LEAST_NAME, min(_MOST_NAME, room))
    left = [_similar(hit, name) for hit in sorted(result.hits, key=lambda hit: hit.rank)[:_SHOWN]]
    right = [_scored(place, hit, name) for place, hit in enumerate(result.hits[:_SHOWN], start=1)]
    timing = result.timing
    found = f"stage one: {result.candidates} found in {timing.embed_ms + timing.retrieve_ms:.0f} ms"
    read = f"stage two: {result.reranked} read in {timing.rerank_ms:.0f} ms"
    yield ""
    yield f"{_INDENT}{colors.bold(query) if colored else query}"
    width = len(left[0]) if left else 0
    yield f"{_INDENT}{columns.padded(found, width)}{_GAP}{read}"
    yield from (f"{_INDENT}{one}{_GAP}{other}" for one, other in zip(left, right, strict=True))
    yield from _answer(query, result, colored=colored)


def legend(weight: float) -> str:
    """Return what the columns are, and why scores need not fall from line to line.

    Args:
        weight: the similarity's, in the final order.
    """
    order = "Its order is that of the scores."
    if weight:
        order = (
            f"Its order is {1 - weight:.0%} score and {weight:.0%} similarity, as this reranker's bundle asks, so the"
            " scores need not fall from line to line; `shortlist search --similarity-weight 0` orders by score alone."
        )
    return (
        "Left: stage one, in the order of similarity (cosine, -1 to 1). Right: what stage two made of it, with its"
        f" score (0 to 1) and the places that it moved a hit: +4 came up four. {order} A score tells which of two"
        " answers is better; how high it is depends on what the reranker was trained on."
    )


def _similar(hit: Hit, width: int) -> str:
    return f"{hit.rank:>2} {_name(hit, width)} {hit.similarity:5.2f}"


def _scored(place: int, hit: Hit, width: int) -> str:
    score = "-" if hit.score is None else f"{hit.score:.3f}"
    moved = "" if hit.rank == place else f"{hit.rank - place:+d}"
    return f"{place:>2} {_name(hit, width)} {score:>5} {moved:>3}".rstrip()


def _name(hit: Hit, width: int) -> str:
    """Return an id's end, which says more than its beginning."""
    name = hit.id if len(hit.id) <= width else f"...{hit.id[3 - width :]}"
    return f"{name:<{width}}"


def _answer(query: str, result: SearchResult, *, colored: bool) -> Iterator[str]:
    """Yield what the best hit says."""
    if not result.hits:
        return
    best = result.hits[0]
    terms = excerpt.terms(query, [hit.text for hit in result.hits])
    room = min(output.terminal_columns(), _NUMBERS + 2 * _MOST_NAME) - len(_INDENT) - len(_GAP)
    for line in excerpt.lines(best.text, terms, room, 2, best.id):
        yield _INDENT + _GAP + (colors.marked(line, excerpt.spans(line, terms)) if colored else line)
