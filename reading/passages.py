"""Passages out of text files: blocks put together up to what both models read of a text.

A passage has the headings that lead to it as its title, which both models read before the text. It holds blocks of
one section only. A block that fits a passage is never cut; a longer one is cut at its rows, items, lines or
sentences, and only where there are none at words or inside them. What a block takes up of a passage is measured by
the caller's `Ruler`; every finished passage is measured again, so that none is too long.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from shortlist.client.types import Document

from . import blocks
from .blocks import Block, Section
from .sources import Source

MAX_TITLE_BYTES = 4 << 10
_TITLE_SHARE = 0.25  # of a passage, at most
_LEAST_BEGINNING = 0.5  # of a passage must be free for a block to begin there that does not fit it
_LEAST_BODY = 0.5  # of a part must be left beside a table's header for the header to be repeated
_LEVEL_JOINT, _BLOCK_JOINT = " > ", "\n\n"
_JOINT_TOKENS = 2  # what a joint takes
_KEPT_CHARACTERS = 64 << 20  # of texts, whose passages are kept in memory from the first reading for the second


class Measured(Protocol):
    """A text whose parts are known as shares of a passage."""

    def share(self, start: int, end: int) -> float:
        """Return the share of a passage that the characters from `start` to `end` take."""

    def reach(self, start: int, share: float) -> int:
        """Return where a share of a passage ends that begins at `start`; it holds one token at least."""


class Ruler(Protocol):
    """What measures texts."""

    token: float  # the share of a passage that a token takes

    def measure(self, texts: Sequence[str]) -> Sequence[Measured]:
        """Measure each of some texts; none is empty."""


@dataclass(frozen=True, slots=True)
class _Whole:
    """A block, measured."""

    block: Block
    measured: Measured

    @property
    def share(self) -> float:
        return self.measured.share(0, len(self.block.text))


@dataclass(slots=True)
class _Draft:
    """A section's title and blocks, with the passages that were made of it."""

    title: str
    title_share: float
    wholes: list[_Whole]
    limit: float
    passages: list[str]


class Cutter:
    """Text files to documents with the ids `name#1` and so on."""

    def __init__(self, ruler: Callable[[], Ruler]) -> None:
        """Begin with nothing cut; the ruler is made when it is first needed."""
        self._make_ruler = ruler
        self._ruler: Ruler | None = None
        # Files are read twice, to be checked and to be sent; most need to be cut once only.
        self._kept: dict[tuple[Source, str], list[Document]] = {}
        self._kept_characters = 0

    def __call__(self, files: Sequence[tuple[Source, str]]) -> Iterator[tuple[Source, list[Document]]]:
        """Cut the texts of some files, with few calls of the ruler for all of them."""
        missing = [one for one in files if one not in self._kept]
        fresh: dict[tuple[Source, str], list[Document]] = {}
        if missing:
            self._ruler = self._ruler or self._make_ruler()
            fresh = dict(zip(missing, _cut(missing, self._ruler), strict=True))
        for one in files:
            documents = fresh[one] if one in fresh else self._kept[one]
            if one in fresh and self._kept_characters < _KEPT_CHARACTERS:
                self._kept[one] = documents
                self._kept_characters += len(one[1])
            yield one[0], documents


def _cut(files: Sequence[tuple[Source, str]], ruler: Ruler) -> Iterator[list[Document]]:
    """Return the documents of each file."""
    drafts = _drafts(files, ruler)
    tight = [draft for of_file in drafts for draft in of_file]
    while tight:
        tight = _packed_anew(tight, ruler)
    for (source, _), of_file in zip(files, drafts, strict=True):
        found = [(draft.title, passage) for draft in of_file for passage in draft.passages]
        yield [
            Document(f"{source.id_stem}#{number}", passage, title, source=source.name)
            for number, (title, passage) in enumerate(found, start=1)
        ]


def _packed_anew(drafts: Sequence[_Draft], ruler: Ruler) -> list[_Draft]:
    """Make the passages of some drafts, and return the drafts with one that is too long, their limits lowered.

    Cut and joined, a text may have a few tokens more than its parts.
    """
    for draft in drafts:
        draft.passages = list(_packed(draft.wholes, draft.limit, ruler.token))
    contents = [f"{draft.title} {passage}" for draft in drafts for passage in draft.passages]
    shares = iter([one.share(0, len(text)) for one, text in zip(ruler.measure(contents), contents, strict=True)])
    tight = []
    for draft in drafts:
        excess = max((next(shares) for _ in draft.passages), default=0.0) - 1.0
        if excess > 0 and draft.limit > ruler.token:
            draft.limit -= excess + ruler.token
            tight.append(draft)
    return tight


def _drafts(files: Sequence[tuple[Source, str]], ruler: Ruler) -> list[list[_Draft]]:
    """Return the sections of each file with their titles, measured."""
    sections = [blocks.markdown(text) if source.is_markdown else blocks.plain(text) for source, text in files]
    names = [_named(source) for source, _ in files]
    every = {one for found in sections for section in found for one in (*section.headings, *section.blocks)}
    distinct = list(every | set(names))
    measured = dict(zip(distinct, ruler.measure([one.text for one in distinct]), strict=True))
    return [
        [_draft(section, name, measured, ruler.token) for section in found]
        for found, name in zip(sections, names, strict=True)
    ]


def _named(source: Source) -> Block:
    """Return the title of what stands below no heading: the file's name."""
    return Block(PurePosixPath(source.name).name, ())


def _draft(section: Section, name: Block, measured: dict[Block, Measured], token: float) -> _Draft:
    path = [_Whole(one, measured[one]) for one in section.headings or (name,)]
    wholes = [_Whole(one, measured[one]) for one in section.blocks]
    title, share, is_whole = _title(path, token)
    if not is_whole and section.headings and section.blocks[0] != section.headings[-1]:
        wholes.insert(0, path[-1])
    return _Draft(title, share, wholes, 1.0 - share, [])


def _title(path: Sequence[_Whole], token: float) -> tuple[str, float, bool]:
    """Return the innermost headings that fit a title, their share of a passage, and whether the last one is whole."""
    shares = [one.share + _JOINT_TOKENS * token for one in path]
    for first in range(len(path)):
        title = _LEVEL_JOINT.join(one.block.text for one in path[first:])
        if sum(shares[first:]) <= _TITLE_SHARE and len(title.encode()) <= MAX_TITLE_BYTES:
            return title, sum(shares[first:]), True
    last = path[-1]
    end = min(last.measured.reach(0, _TITLE_SHARE), MAX_TITLE_BYTES // 4)
    text = last.block.text[:end]
    return text.rsplit(" ", 1)[0], last.measured.share(0, end) + _JOINT_TOKENS * token, False


def _packed(wholes: Sequence[_Whole], limit: float, token: float) -> Iterator[str]:
    """Put blocks together up to a limit, in passages of about equal length."""
    joint = _JOINT_TOKENS * token
    total = sum(one.share + joint for one in wholes) - joint
    aim = total / max(1, math.ceil(total / max(limit, token)))
    passage: list[str] = []
    used = 0.0
    for whole in wholes:
        fits = whole.share <= limit
        room = limit - used
        if passage and (whole.share > room if fits else room < _LEAST_BEGINNING * limit):
            yield _BLOCK_JOINT.join(passage)
            passage, used = [], 0.0
        parts = [(whole.block.text, whole.share)] if fits else _parts(whole, limit, aim, used)
        for text, share in parts:
            if passage and used + share > limit:
                yield _BLOCK_JOINT.join(passage)
                passage, used = [], 0.0
            passage.append(text)
            used += share + joint
            if used >= aim:
                yield _BLOCK_JOINT.join(passage)
                passage, used = [], 0.0
    if passage:
        yield _BLOCK_JOINT.join(passage)


def _parts(whole: _Whole, limit: float, aim: float, used: float) -> Iterator[tuple[str, float]]:
    """Cut a block that does not fit a passage; the first part goes where `used` is taken already."""
    text, head, tail = whole.block.text, whole.block.head, whole.block.tail
    extra = whole.measured.share(0, len(head)) + whole.measured.share(len(text) - len(tail), len(text))
    if extra > _LEAST_BODY * limit:
        head, tail, extra = "", "", 0.0
    levels = list(blocks.cuts(whole.block))
    at, stop = len(head), len(text) - len(tail)
    while at < stop:
        end = _part_end(whole.measured, levels, at, stop, (limit - used - extra, aim - used - extra))
        if body := text[at:end].strip("\n").rstrip():
            yield f"{head}{body}{tail}", whole.measured.share(at, end) + extra
        at, used = end, 0.0


def _part_end(
    measured: Measured, levels: Iterable[Sequence[int]], at: int, stop: int, room: tuple[float, float]
) -> int:
    """Return where the part ends that begins at `at`.

    Args:
        measured: the block.
        levels: places to cut at, best first.
        at: where the part begins.
        stop: where the block's last part ends.
        room: shares of a passage, the most that the part may take, and what it should: it ends at the first place
            from there on, or else at the last one before.
    """
    far, near = (measured.reach(at, share) for share in room)
    if far >= stop:
        return stop
    for places in levels:
        first = bisect_left(places, near)
        if first < len(places) and places[first] <= far:
            return places[first]
        if first and places[first - 1] > at:
            return places[first - 1]
    return far
