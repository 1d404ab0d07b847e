"""How the demo shows a search: what stage one ranked beside what stage two made of it."""

from shortlist.client import Hit, SearchResult

_SHOWN = 5
_NAME_WIDTH = 38


def lines(query: str, result: SearchResult, blend: float) -> list[str]:
    """Return the lines that show one search, both stages side by side.

    Args:
        query: what was asked.
        result: what was found.
        blend: the similarity's share in the final order; above 0, scores need not fall from line to line.
    """
    timing = result.timing
    first = f"stage one: {result.candidates} candidates in {timing.embed_ms + timing.retrieve_ms:.0f} ms"
    ordered = f", ordered by score with {blend:g} of similarity" if blend else ""
    second = f"stage two: {result.reranked} reranked in {timing.rerank_ms:.0f} ms{ordered}"
    by_similarity = sorted(result.hits, key=lambda hit: hit.rank)
    rows = zip(by_similarity[:_SHOWN], result.hits[:_SHOWN], strict=False)
    return [
        "",
        f"  {query}",
        f"  {first:<{_NAME_WIDTH + 12}}{second}",
        *(f"  {_similar(left)}  {_scored(place, right)}" for place, (left, right) in enumerate(rows, start=1)),
    ]


def _similar(hit: Hit) -> str:
    return f"{hit.rank:>3} {_name(hit)} {hit.similarity:.2f} "


def _scored(place: int, hit: Hit) -> str:
    score = "  -  " if hit.score is None else f"{hit.score:.3f}"
    moved = "" if hit.rank == place else f"(was {hit.rank})"
    return f"{place:>3} {_name(hit)} {score} {moved}".rstrip()


def _name(hit: Hit) -> str:
    name = hit.id if len(hit.id) <= _NAME_WIDTH else f"...{hit.id[3 - _NAME_WIDTH :]}"
    return f"{name:<{_NAME_WIDTH}}"
