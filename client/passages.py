"""Passages out of plain text: cut at blank lines, merged up to a size that models read whole."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from shortlist.client.types import Document

# About 250 tokens of English: what all-MiniLM-L6-v2 reads at once, and what a person reads as one thought.
PASSAGE_CHARACTERS = 1000

_BLANK_LINES = re.compile(r"\n\s*\n")
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_SENTENCE_END = re.compile(r"[.!?]\s")


def documents(name: str, text: str) -> Iterator[Document]:
    """Cut a file into documents.

    Args:
        name: the file's, with folders; ids are `name#1` and so on, and its last part is the title of a file
            without a heading.
        text: its content, Markdown or plain.
    """
    heading = _HEADING.search(text) if name.removesuffix(".gz").endswith(".md") else None
    title = heading[1] if heading else PurePosixPath(name).name
    for number, passage in enumerate(cut(text.replace("\r\n", "\n")), start=1):
        yield Document(f"{name}#{number}", passage, title)


def cut(text: str, most: int = PASSAGE_CHARACTERS) -> Iterator[str]:
    """Yield passages of `most` characters at most: whole paragraphs where they fit, else whole sentences."""
    passage = ""
    for paragraph in _BLANK_LINES.split(text):
        for piece in _pieces(paragraph.strip(), most):
            if passage and len(passage) + len("\n\n") + len(piece) > most:
                yield passage
                passage = ""
            passage = f"{passage}\n\n{piece}" if passage else piece
    if passage:
        yield passage


def _pieces(paragraph: str, most: int) -> Iterator[str]:
    """Yield a paragraph, in pieces if it is longer than a passage."""
    while len(paragraph) > most:
        sentences = [end.end() for end in _SENTENCE_END.finditer(paragraph, 0, most)]
        at = sentences[-1] if sentences else paragraph.rfind(" ", 1, most)
        at = at if at > 0 else most
        yield paragraph[:at].strip()
        paragraph = paragraph[at:].strip()
    if paragraph:
        yield paragraph
