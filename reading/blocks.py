"""A text's sections and blocks: what passages are put together from, and where a block may be cut.

Markdown is read by markdown-it-py, so that a `#` inside fenced code is no heading, and tables, lists and fences are
known for what they are. A block is the text as it stands in the file. Knows neither models nor sizes.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from markdown_it.token import Token

_BLANK_LINES = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile(r"[.!?][\"'”’)\]]*\s+|[。！？]")  # noqa: RUF001 (full-width, as Chinese and Japanese have them)
_LINE_END = re.compile(r"\n+")
_WORD_END = re.compile(r"\s+")
_FRONT_MATTER = re.compile(r"\A(---|\+\+\+)[ \t]*\n(.*?)^(?:\1|\.\.\.)[ \t]*$\n?", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r"""^title[ \t]*[:=][ \t]*(["']?)(.+?)\1[ \t]*$""", re.MULTILINE)
_TABLE_HEAD_LINES = 2  # the header, and the line below it


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, list, table, fence or heading.

    `cuts` are the places in `text` where it may best be cut, ascending, between `head` and `tail`, which each part of
    it begins and ends with: a table's header, the lines around code.
    """

    text: str
    cuts: tuple[int, ...]
    head: str = ""
    tail: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """The blocks below a heading, and the headings that lead there, the outermost first."""

    headings: tuple[Block, ...] = ()
    level: int = 0  # of the last heading
    blocks: list[Block] = field(default_factory=list)


def plain(text: str) -> list[Section]:
    """Return a text as one section of paragraphs, which blank lines part."""
    return [Section(blocks=[_prose(one.strip()) for one in _BLANK_LINES.split(_unified(text)) if one.strip()])]


def markdown(text: str) -> list[Section]:
    """Return the sections of a Markdown text that have anything in them.

    Front matter between lines of `---` or `+++` is a block of its own, and its `title` counts as a heading.
    """
    text = _unified(text)
    sections, path = [Section()], dict[int, Block]()
    if matter := _FRONT_MATTER.match(text):
        if title := _TITLE.search(matter[2]):
            path[1] = _prose(title[2])
        sections = [Section(tuple(path.values()), blocks=[_lines(matter[0].strip())])]
        text = text[matter.end() :]
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    lines = text.split("\n")
    done = 0
    for place, token in enumerate(tokens):
        if token.level or not token.map:
            continue
        start, end = token.map
        sections[-1].blocks.extend(_rest(lines[done:start]))
        done = end
        if token.type == "heading_open":
            level = int(token.tag[1:])
            path = {outer: heading for outer, heading in path.items() if outer < level}
            if heading := _heading(tokens[place + 1]):
                _close(sections, level)
                path[level] = _prose(heading)
                sections.append(Section(tuple(path.values()), level))
        elif token.type != "hr":
            sections[-1].blocks.extend(_block(token, _items(tokens, place), lines[start:end]))
    sections[-1].blocks.extend(_rest(lines[done:]))
    _close(sections, 0)
    return [section for section in sections if section.blocks]


def cuts(block: Block) -> Iterator[Sequence[int]]:
    """Yield places to cut a block at, best first: its own, then the ends of sentences, of lines and of words."""
    yield block.cuts
    for pattern in (_SENTENCE_END, _LINE_END, _WORD_END):
        yield _ends(block.text, pattern)


def _unified(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _ends(text: str, pattern: re.Pattern[str]) -> tuple[int, ...]:
    return tuple(match.end() for match in pattern.finditer(text))


def _prose(text: str) -> Block:
    return Block(text, _ends(text, _SENTENCE_END))


def _lines(text: str, head: str = "", tail: str = "") -> Block:
    return Block(text, _ends(text, _LINE_END), head, tail)


def _rest(lines: list[str]) -> Iterator[Block]:
    """Yield what the parser makes no block of, such as definitions of links."""
    if text := "\n".join(lines).strip():
        yield _lines(text)


def _heading(inline: "Token") -> str:
    """Return a heading as a reader sees it, without its marks."""
    shown = (child for child in inline.children or () if child.type != "html_inline")
    return " ".join(
        "".join(child.content or (" " if child.type.endswith("break") else "") for child in shown).split()
    )


def _close(sections: list[Section], next_level: int) -> None:
    """Return a heading that has nothing below it as a text; any other is in the titles of what it leads to."""
    last = sections[-1]
    if last.headings and not last.blocks and next_level <= last.level:
        last.blocks.append(last.headings[-1])


def _items(tokens: Sequence["Token"], place: int) -> list[int]:
    """Return the lines at which the items of a list begin, counted from the list's own first line."""
    token = tokens[place]
    if not token.type.endswith("list_open") or not token.map:
        return []
    found = []
    for inner in tokens[place + 1 :]:
        if inner.level == 0:
            break
        if inner.type == "list_item_open" and inner.level == 1 and inner.map:
            found.append(inner.map[0] - token.map[0])
    return found


def _block(token: "Token", items: list[int], lines: list[str]) -> Iterator[Block]:
    text = "\n".join(lines).rstrip()
    if not text.strip():
        return
    if token.type == "table_open":
        yield _lines(text, head="\n".join(lines[:_TABLE_HEAD_LINES]) + "\n")
    elif token.type == "fence":
        closed = text != lines[0] and lines[-1].strip().startswith(token.markup)
        yield _lines(text, head=f"{lines[0]}\n", tail=f"\n{lines[-1].rstrip()}" if closed else "")
    elif items:
        starts = [sum(len(line) + 1 for line in lines[:item]) for item in items]
        yield Block(text, tuple(start for start in starts[1:] if start < len(text)))
    elif token.type == "paragraph_open":
        yield _prose(text)
    else:
        yield _lines(text)
