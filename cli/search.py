"""`shortlist search`: one query against a collection, with what each stage thought of every hit."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter
from wcwidth import width

from shortlist.client.types import CandidatesFrom, Hit, Mode, RankFusion, SearchResult
from shortlist.console import colors, columns, command_line, output, tables
from shortlist.console.connection import Connection

from . import excerpt, scoring, where
from .excerpt import Terms

_HEADS = ("place", "relevance", "score", "similarity", "stage one")
_MAXSIM = ("maxsim", "by maxsim")
_RANKINGS = ("dense", "lexical")
_BY = {"dense": "similarity", "lexical": "words in common", "hybrid": "similarity and words in common"}
_INDENT = "       "  # texts begin below the scores


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings(Connection):
    """The settings of `shortlist search`."""

    collection: Annotated[str, Parameter(metavar="NAME")]
    """collection to look in"""
    top_k: int = 10
    """hits to show"""
    full: bool = False
    """show each hit's whole text, not only the part that answers"""
    candidates: int | None = None
    """documents that stage one finds and stage two reads; if not given, 50 and at least top-k are found, and of
    these stage two reads what lies within margin and its budget of time"""
    mode: Mode = "auto"
    """dense: stage one alone; rerank-all: stage two on every document of a small collection; late-interaction: stage
    one, ordered by MaxSim over the collection's token vectors; cascade: stage two on the best of these; auto: cascade
    where searches use token vectors, else two-stage, with every document of a small collection for a candidate"""
    rerank_candidates: int | None = None
    """cascade: how many candidates stage two reads, the best by MaxSim; if not given, those near the best one, within
    its budget of time"""
    candidates_from: CandidatesFrom | None = None
    """dense: stage one ranks by the similarity of vectors; lexical: by words in common with the query, which finds
    names, codes and rare words; hybrid: by both; the default is hybrid, and dense in mode dense"""
    rank_fusion: RankFusion = "distribution"
    """how hybrid is ordered in mode dense: by both rankings' scores, or by places (rrf)"""
    similarity_weight: float | None = None
    """weight of the similarity in the final order, 0 to 100: logits that a similarity of 1 more is worth; the default
    is the reranker's own"""
    margin: float | None = None
    """stage two does not read candidates whose similarity is so far behind the best one's, but top-k at least; 2
    reads them all. The default is the server's, 0.2, or 2 with --candidates"""
    where: str | None = None
    """only documents whose metadata match, such as 'year >= 2020 and lang in (de, en)'; more below"""
    vectors: bool = False
    """with --json: print the hits' vectors, too"""
    json: bool = False
    """print the result as one JSON object"""


COMMAND = command_line.command(
    "search",
    """\
shortlist search --collection notes "how do I renew the certificate?"
shortlist search --collection notes --full --top-k 1 "certificate renewal"
shortlist search --collection notes --where 'year >= 2020 and not lang in (de, en)' "certificate renewal"
shortlist search --collection notes --mode dense --top-k 50 "certificate renewal"
shortlist search --collection notes --mode dense --candidates-from lexical "error E11000"
shortlist search --collection notes --json "certificate renewal" | jq -r '.hits[].id'""",
)


@COMMAND.default
def run(
    query: Annotated[str, command_line.argument("what to look for")],
    /,
    *,
    settings: Annotated[SearchSettings, command_line.FLAT],
) -> int:
    """Find documents that answer a query, best first.

    Stage one shortlists documents by the similarity of their vectors (cosine, -1 to 1) and by words in common with
    the query. Stage two reads those that are not far behind the best beside the query and scores them (0 to 1); what
    it did not read has no score and comes last. The table shows both, and under "stage one" the document's place in
    that stage's order, with how far stage two moved it: "7 (+6)" came up six places; then its places by vectors
    (dense) and by words (lexical). Some rerankers, the demo's among them, order best with a share of the similarity
    (--similarity-weight), so their hits are not in the order of the scores; the lines below the table say so.

    Where the collection has token vectors, late interaction stands between the two: it sums up, over the query's
    tokens, the best cosine with one of the document's (maxsim), and stage two reads the best by it. The table has
    that sum and the document's place by it.

    Below each hit is the part of its text that has most of the query's words, or its beginning if it has none;
    --full shows all of it. On a terminal those words are coloured; NO_COLOR=1 keeps colours away, FORCE_COLOR=1
    sends them into pipes too.

    --where compares fields of the metadata, or of objects in it by their path (author.name),
    by =, !=, <, <=, >, >=, in (...) and exists, joined by and, or, not and brackets. A bare word is a number, a date
    or time (2024-05-01, 2024-05-01T10:00Z) or true or false where it looks like one; in quotes it is text.
    """
    with settings.client() as client:
        result = client.search(
            settings.collection,
            query,
            top_k=settings.top_k,
            candidates=settings.candidates,
            rerank_candidates=settings.rerank_candidates,
            mode=settings.mode,
            candidates_from=settings.candidates_from,
            rank_fusion=settings.rank_fusion,
            similarity_weight=settings.similarity_weight,
            margin=settings.margin,
            where=where.parse_if_any(settings.where),
            include_vectors=settings.vectors and settings.json,
        )
    if settings.json:
        output.write(output.as_json(result))
        return 0
    terms = excerpt.terms(query, [hit.text for hit in result.hits])
    page = Page(terms, settings.full, colored=colors.wanted(sys.stdout))
    below = columns.filled(notes(result, asked=settings.similarity_weight is not None))
    output.write("\n".join([*page.hits(result), *below]))
    return 0


@dataclass(frozen=True, slots=True)
class Page:
    """How hits are shown."""

    terms: Terms
    full: bool = False  # whole texts
    colored: bool = False

    def hits(self, result: SearchResult) -> Iterator[str]:
        """Yield the lines of a table: for each hit what both stages say of it, and its text below."""
        if not result.hits:
            yield "no hits"
            return
        heads, *rows = tables.blocks(*_table(result), self._id)
        yield from heads
        for row, hit in zip(rows, result.hits, strict=True):
            yield from row
            yield from (f"{_INDENT}{self._marked(line)}".rstrip() for line in self._text(hit))
            if self.full:
                yield ""
        if not self.full:
            yield ""

    def _id(self, identifier: str, _room: int) -> list[str]:
        """Return an id whole, however long it is: it is what the other commands take."""
        shown = columns.plain(identifier)
        return [colors.bold(shown) if self.colored else shown]

    def _text(self, hit: Hit) -> list[str]:
        room = max(columns.LEAST_TEXT, columns.terminal() - len(_INDENT))
        title = "" if hit.title == hit.id else columns.plain(hit.title)
        if self.full:
            return [*columns.wrapped(title, room), *_whole(hit.text, room)]
        return excerpt.lines(hit.text, self.terms, room, excerpt.enough(room), title)

    def _marked(self, line: str) -> str:
        return colors.marked(line, excerpt.spans(line, self.terms)) if self.colored else line


def _table(result: SearchResult) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the table's heads and rows, the id last."""
    rankings = _RANKINGS if result.candidates_from == "hybrid" else ()
    maxsim = _MAXSIM if result.maxsim_scored else ()
    rows = []
    for place, hit in enumerate(result.hits, 1):
        moved = f" ({hit.rank - place:+d})" if hit.rank != place else ""  # by the stages after: up is plus
        scores = (tables.number(one, 4) for one in (hit.relevance, hit.score, hit.similarity))
        ranks = [tables.number(rank, 0) for rank in (hit.dense_rank, hit.lexical_rank)] if rankings else []
        late = [tables.number(hit.maxsim, 4), tables.number(hit.maxsim_rank, 0)] if maxsim else []
        rows.append((str(place), *scores, f"{hit.rank}{moved}", *ranks, *late, hit.id))
    return (*_HEADS, *rankings, *maxsim, "id"), rows


def _whole(text: str, room: int) -> Iterator[str]:
    """Yield a text's own lines, the long ones wrapped behind their indentation."""
    for line in text.splitlines():
        shown = columns.printable(line.expandtabs()).rstrip()
        if width(shown) <= room:
            yield shown
        else:
            indent = shown[: min(len(shown) - len(shown.lstrip()), room // 2)]
            yield from (indent + part for part in columns.wrapped(shown, room - len(indent)))


def notes(result: SearchResult, *, asked: bool) -> Iterator[str]:
    """Yield what ran, what decided the order, and what fell short."""
    yield _ran(result)
    if order := _order(result, asked=asked):
        yield order
    if result.matched is not None:
        how = "all were compared" if result.filter_plan == "exact" else "found by the index"
        yield f"the filter matches {result.matched:,} documents; {how}"
    if result.degraded:
        yield scoring.shortfall(result.degraded, result.reranked, result.selected, "candidates")
    if result.truncated:
        yield f"texts longer than a model's window, cut for it: {result.truncated}"


def _ran(result: SearchResult) -> str:
    timing = result.timing
    source = "" if result.candidates_from == "dense" else f"{result.candidates_from} "
    candidates = f"{result.candidates} {source}candidates"
    reranked = f"reranked{_limited(result)}"
    match result.mode:
        case "late-interaction":
            done = f"{result.maxsim_scored} of {candidates} ordered by MaxSim"
        case _ if result.maxsim_scored:
            done = f"{result.maxsim_scored} of {candidates} scored by MaxSim, {result.reranked} of these {reranked}"
        case _:
            done = f"{result.reranked} of {candidates} {reranked}"
    maxsim = f", maxsim {timing.maxsim_ms:.1f}" if result.maxsim_scored else ""
    return (
        f"{result.mode}: {done}; {timing.total_ms:.1f} ms"
        f" (embed {timing.embed_ms:.1f}, retrieve {timing.retrieve_ms:.1f}{maxsim}, rerank {timing.rerank_ms:.1f})"
    )


def _limited(result: SearchResult) -> str:
    """Return why stage two read fewer candidates than there were."""
    late = result.maxsim_scored > 0
    match result.limited_by:
        case "margin" if late:
            return " (the others are far behind by MaxSim; --rerank-candidates reads another number)"
        case "margin":
            return " (the others are far less similar; --margin 2 reads all)"
        case "budget":
            flag = "--rerank-candidates" if late else "--candidates"
            return f" (as many as the server's time for one search allows; {flag} names another number)"
        case None:
            return ""


def _order(result: SearchResult, *, asked: bool) -> str:
    """Return what the relevance is, where it is not the score alone."""
    if result.mode == "dense":
        return f"in the order of {_BY[result.candidates_from]}: mode dense has no scores"
    if result.mode == "late-interaction":
        return f"in the order of MaxSim, of {result.query_vectors} token vectors of the query: the mode has no scores"
    weight = result.similarity_weight
    if not result.reranked or not weight:
        return ""
    whose = "as asked for" if asked else "as the reranker's bundle says"
    return (
        f"relevance, by which hits fall, is of score and similarity together (weight {weight:g}, {whose});"
        " --similarity-weight 0 leaves the score alone"
    )
