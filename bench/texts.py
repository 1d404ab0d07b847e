"""The texts of a load: where they come from, and how requests draw from them.

A server may keep what it has computed, and a benchmark that asks again would measure that. So texts are drawn each
once, in an order that the seed gives, and made new to a cache at next to no cost to a model:

- A query gets two words of other texts in front: the same in one round through the queries, others in each round and
  in each run. (A rerank's query does not: its passages are in no collection, so nothing of it is kept.)
- Where passages run out, further ones are put together of the sentences of others.
"""

import json
import random
import re
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from shortlist.console.errors import UsageError
from shortlist.reading import sources
from shortlist.reading.reader import Reader
from shortlist.texts import shipped

from . import candidates

SHIPPED = "the texts that ship"
_MOST = 100_000  # queries or passages kept of a file: a corpus may hold millions
_MOST_BYTES = 1 << 20  # what a server takes of one text
_SENTENCE_ENDS = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True, slots=True)
class Texts:
    """Queries and passages; `lists` has a query's own passages, where there are such."""

    name: str
    queries: tuple[str, ...] = ()
    passages: tuple[str, ...] = ()
    lists: tuple[tuple[str, ...], ...] = ()  # one a query

    def longest_list(self) -> int:
        """Return how many passages every query can be asked beside."""
        return min(map(len, self.lists)) if self.lists else len(self.passages)


def find(
    candidate_lists: Path | None = None,
    folder: Path | None = None,
    corpus: Path | None = None,
    queries: Path | None = None,
) -> Texts:
    """Return the texts that are named, or those that ship.

    Args:
        candidate_lists: a file of candidate lists.
        folder: one with corpus.jsonl and queries.jsonl, as BEIR lays them out.
        corpus: documents alone, in any form that `shortlist index` reads.
        queries: queries alone, as JSON lines.

    Raises:
        UsageError: a file cannot be read, or holds something else; settings that exclude each other.
    """
    if candidate_lists:
        if folder or corpus or queries:
            raise UsageError("candidates bring their own queries and passages: leave out folder, corpus and queries")
        return _of_lists(candidate_lists)
    if folder:
        if corpus or queries:
            raise UsageError(f"collection-folder is {folder}, which names corpus and queries: leave those out")
        corpus, queries = folder / "corpus.jsonl", folder / "queries.jsonl"
    if corpus or queries:
        named = ", ".join(str(one) for one in ([folder] if folder else (corpus, queries)) if one)
        return Texts(named, _queries(queries) if queries else (), _passages(corpus) if corpus else ())
    entries = shipped.entries()
    return Texts(SHIPPED, tuple(one.query for one in entries), tuple(one.text for one in entries))


def _of_lists(path: Path) -> Texts:
    found = candidates.read(path)
    if not found:
        raise UsageError(f"candidates {path} holds no list with passages")
    passages = dict.fromkeys(text for one in found for text in one.texts)
    return Texts(str(path), tuple(one.query for one in found), tuple(passages), tuple(one.texts for one in found))


def _passages(path: Path) -> tuple[str, ...]:
    reader = Reader(_MOST_BYTES)
    documents = [read.document for read in islice(reader.documents(sources.find([str(path)]).files), _MOST)]
    if reader.refused.first:
        raise UsageError(reader.refused.first[0])
    # Both models read the title before the text, one space between.
    return tuple(f"{one.title} {one.text}" if one.title else one.text for one in documents)


def _queries(path: Path) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for number, line in enumerate(islice(sources.Source(str(path), path.name).lines(), _MOST), 1):
        try:
            text = json.loads(line)["text"]
            if not text.strip():
                raise ValueError("empty text")
        except (ValueError, KeyError, TypeError, AttributeError):
            shown = '{"_id": "1", "text": "a query"}'
            raise UsageError(f"{path}:{number}: is no query: write one object a line, such as {shown}") from None
        found[text] = None
    if not found:
        raise UsageError(f"{path}: holds no query")
    return tuple(found)


@dataclass(slots=True)
class Drawn:
    """A count of what was drawn from the texts of a load."""

    queries: int = 0
    passages: int = 0
    composed_passages: int = 0  # of the passages: put together of others' sentences
    lists: int = 0  # of a query beside passages
    repeated_lists: int = 0  # of the lists: were drawn before


class Draw:
    """A seeded source of queries and passages; the same seed and mark draw the same."""

    def __init__(self, texts: Texts, seed: int, mark: int) -> None:
        """Begin with nothing drawn.

        Args:
            texts: what to draw from.
            seed: decides the order.
            mark: decides which words go in front of queries; another one for each run.
        """
        self.texts = texts
        self.drawn = Drawn()
        self._rng = random.Random(seed)  # noqa: S311 (repeatable, no secret)
        self._order = self._rng.sample(range(len(texts.queries)), len(texts.queries))
        self._passages = self._rng.sample(texts.passages, len(texts.passages))
        self._sentences = [_SENTENCE_ENDS.split(passage) for passage in self._passages]
        words = dict.fromkeys(word for text in (*self._passages, *texts.queries) for word in text.split())
        self._words = list(words)
        self._mark = mark % len(self._words) ** 2
        self._lists: set[int] = set()

    def query(self) -> str:
        """Draw a query that was not drawn before, nor in another run."""
        again, place = divmod(self.drawn.queries, len(self._order))
        self.drawn.queries += 1
        query, number = self.texts.queries[self._order[place]], self._mark + again + 1
        while number:  # words are its digits: no two rounds have the same
            number, word = divmod(number - 1, len(self._words))
            query = f"{self._words[word]} {query}"
        return query

    def passage(self) -> str:
        """Draw a passage that was not drawn before."""
        place = self.drawn.passages
        self.drawn.passages += 1
        if place < len(self._passages):
            return self._passages[place]
        self.drawn.composed_passages += 1
        length = len(self._sentences[place % len(self._sentences)])
        return " ".join(self._rng.choice(self._rng.choice(self._sentences)) for _ in range(length))

    def ranking(self, count: int) -> tuple[str, list[str]]:
        """Draw a query and so many different passages: of its own list where it has one, else of all."""
        place = self._order[self.drawn.lists % len(self._order)]
        self.drawn.lists += 1
        query = self.texts.queries[place]
        chosen = self._rng.sample(self.texts.lists[place] if self.texts.lists else self._passages, count)
        seen = hash((query, frozenset(chosen)))
        self.drawn.repeated_lists += seen in self._lists
        self._lists.add(seen)
        return query, chosen

    def told(self) -> dict[str, object]:
        """Return what a result says of the texts."""
        available = {"queries": len(self.texts.queries), "passages": len(self.texts.passages)}
        return {"source": self.texts.name, "available": available, "drawn": asdict(self.drawn)}
