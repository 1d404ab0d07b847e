"""Documents out of files: JSON lines, and text cut into passages.

JSON lines hold an object a line: `id` (or `_id`, as BEIR writes it) and `text`, optionally `title`, `metadata` and
`vector`. A text file becomes passages with the ids `path#1`, `path#2`, ... What the server would refuse is refused
here already, with file and line, and the rest goes on.

This module knows the limits of a document and no server. `sources.py` finds and opens the files; how texts are cut is
the caller's to bring.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from shortlist.client import errors, requests
from shortlist.client.types import Document

from . import passages
from .refusals import Refusals
from .sources import InputError, Source

# The limits that proto/retrieval.proto gives for a Document; that of the text is the server's to set.
_MAX_ID_BYTES = 512
_MAX_METADATA_BYTES = 64 << 10
# Texts are cut several files at once, since that takes few calls of the server.
_TEXTS_TOGETHER = 256
_CHARACTERS_TOGETHER = 1 << 20

Cut = Callable[[Sequence[tuple[Source, str]]], Iterable[tuple[Source, Sequence[Document]]]]


@dataclass(frozen=True, slots=True)
class Read:
    """A document, and where it was: its file, with the line if it is one."""

    document: Document
    place: str


class Reader:
    """One way through the documents of sources, each id once.

    Attributes:
        refused: documents that the server would refuse, and lines below a document that are none.
        repeated: documents left out because the same document came before.
        ignored: names of fields that JSON lines had and that documents do not have.
        skipped: files that a folder has and that are none to read, and why.
        empty: files that hold no document.
    """

    def __init__(self, max_text_bytes: int, cut: Cut | None = None) -> None:
        """Start with nothing read.

        Args:
            max_text_bytes: texts over this are refused.
            cut: how text files become passages; None refuses them.
        """
        self.refused = Refusals()
        self.repeated = 0
        self.ignored: set[str] = set()
        self.skipped: dict[str, str] = {}
        self.empty: list[str] = []
        self._max_text_bytes = max_text_bytes
        self._cut = cut
        self._seen: dict[str, tuple[int, str]] = {}  # id -> hash of the document, and where it was

    def documents(self, files: Iterable[Source]) -> Iterator[Read]:
        """Yield each document.

        Raises:
            InputError: a file cannot be read, or does not even begin with a document. One that was not named itself
                is skipped instead.
        """
        for place, document in self._read(files):
            try:
                self._check(document)
                is_new = self._is_new(document, place)
            except errors.InvalidRequest as error:
                self.refused.add(place, document.source, error)
                continue
            if is_new:
                yield Read(document, place)

    def _read(self, files: Iterable[Source]) -> Iterator[tuple[str, Document]]:
        texts: list[tuple[Source, str]] = []
        for source in files:
            if source.is_text:
                texts.extend(self._text(source))
                if len(texts) < _TEXTS_TOGETHER and sum(len(text) for _, text in texts) < _CHARACTERS_TOGETHER:
                    continue
            yield from self._passages(texts)
            texts = []
            if not source.is_text:
                yield from self._lines(source)
        yield from self._passages(texts)

    def _text(self, source: Source) -> Iterator[tuple[Source, str]]:
        """Yield a file's text, unless the file is to be skipped."""
        try:
            if self._cut is None:
                raise InputError(f"{source.path}: is text; only JSON lines are read here")
            content = b"".join(source.lines())
            with _refused_at(source.path):
                text = _decoded(content)
        except InputError as error:
            self._skip(source, error)
        else:
            yield source, text

    def _passages(self, texts: Sequence[tuple[Source, str]]) -> Iterator[tuple[str, Document]]:
        if not texts or self._cut is None:
            return
        for source, documents in self._cut(texts):
            if not documents:
                self.empty.append(source.path)
            for document in documents:
                yield source.path, document

    def _lines(self, source: Source) -> Iterator[tuple[str, Document]]:
        count = 0
        try:
            for number, line in enumerate(source.lines(), start=1):
                place = f"{'standard input' if source.is_stdin else source.path}:{number}"
                name = "" if source.is_stdin else source.name
                try:
                    content = _decoded(line).strip()
                    document = self._parse(content, name) if content else None
                except errors.InvalidRequest as error:
                    if not count:
                        raise InputError(f"{place}: {error}") from None
                    self.refused.add(place, name, error)
                    continue
                if document is not None:
                    count += 1
                    yield place, document
        except InputError as error:
            if count:
                raise
            self._skip(source, error)
        else:
            if not count:
                self.empty.append(source.path)

    def _skip(self, source: Source, error: InputError) -> None:
        if not source.is_found:
            raise error
        self.skipped[source.path] = str(error)

    def _parse(self, line: str, source: str) -> Document:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise errors.invalid("line", line, f"it is not JSON ({error})", "write one object a line") from None
        if not isinstance(record, dict):
            raise errors.invalid("line", line, "it is not a JSON object", "write one object with id and text a line")
        key = "id" if "id" in record else "_id"
        # Data sets write null for what a document does not have.
        title, metadata = record.get("title"), record.get("metadata")
        document = Document(
            id=_string(record, key),
            text=_string(record, "text"),
            title="" if title is None else _string(record, "title"),
            metadata={} if metadata is None else metadata,
            source=source,
            vector=() if record.get("vector") is None else record["vector"],
        )
        # `shortlist get --json` writes a source; here it is the file that holds the line.
        self.ignored.update(record.keys() - {key, "text", "title", "metadata", "source", "vector"})
        return document

    def _check(self, document: Document) -> None:
        """Refuse a document as the server would."""
        requests.document(document)
        if not document.id:
            raise errors.invalid("id", "", "an id must not be empty", "give each document an id of its own")
        if not document.text.strip():
            raise errors.invalid("text", document.text, "it must hold more than white space", "remove the document")
        if "\0" in document.id:
            raise errors.invalid("id", document.id, "an id must not hold a NUL character", "take it out of the id")
        metadata = json.dumps(document.metadata, ensure_ascii=False)
        _check_size("id", document.id, _MAX_ID_BYTES, "use a shorter id, such as a hash of this one")
        _check_size("title", document.title, passages.MAX_TITLE_BYTES, "shorten it, or move it into the text")
        _check_size("text", document.text, self._max_text_bytes, "cut it into passages")
        _check_size("metadata", metadata, _MAX_METADATA_BYTES, "keep large values elsewhere")

    def _is_new(self, document: Document, place: str) -> bool:
        metadata = json.dumps(document.metadata, sort_keys=True)
        content = hash((document.text, document.title, metadata, tuple(document.vector)))
        first, first_place = self._seen.setdefault(document.id, (content, place))
        if first != content:
            raise errors.invalid(
                "id", document.id, f"{first_place} has another document with this id", "give each its own id"
            )
        if first_place != place:
            self.repeated += 1
        return first_place == place


@contextmanager
def _refused_at(place: str) -> Iterator[None]:
    try:
        yield
    except errors.InvalidRequest as error:
        raise InputError(f"{place}: {error}") from None


def _decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bad = line[error.start : error.start + 1]
        raise errors.invalid("line", bad, f"byte {error.start} is not UTF-8", "convert the file to UTF-8") from None


def _string(record: dict[str, object], field: str) -> str:
    if field not in record:
        name = "id" if field == "_id" else field
        raise errors.invalid("line", sorted(record), f"it has no {name!r}", "add it: a string")
    value = record[field]
    if not isinstance(value, str):
        raise errors.invalid(field, value, "it must be a string", "put it in quotes")
    return value


def _check_size(field: str, value: str, limit: int, remedy: str) -> None:
    # A character takes 4 bytes at most, so most values need not be encoded to be found short enough.
    if len(value) * 4 > limit and (size := len(value.encode())) > limit:
        raise errors.invalid(field, value, f"it has {size:,} bytes and {limit:,} is the most", remedy)
