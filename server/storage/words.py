"""The lexical index of one collection: tantivy, derived from the documents, which it ranks by BM25.

It holds each version of a document under its number (`seq`), with its words (`analysis.py`). A query is made of words
and never parsed, so nothing in a caller's text is syntax.

An index has a thread that looks at its file twice a second, and a writer has more and 15 MB. So a writer is opened
for one commit, and the index of a small collection for one search (half a millisecond). The owner (`word_upkeep.py`)
lets one thread in at a time to change it; any thread may search.
"""

import contextlib
import json
import shutil
import struct
import threading
import time
import zlib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from tantivy import DocAddress, Document, Index, IndexWriter, Occur, Query, Schema, SchemaBuilder, Searcher

from shortlist.server.errors import first_line

from . import analysis
from .analysis import Analyser, Language
from .opened import Opened

# What tantivy raises: of its own, and of files.
ERRORS = (ValueError, OSError)

_NUMBER = "seq"
_HEAP_BYTES = 15_000_000  # the least that tantivy takes
_TRIES, _PAUSE_S = 20, 0.01
_KEPT_OPEN = 5_000  # documents from which the index stays open
_FOOTER = struct.Struct("<II")  # at a file's end: the length of its footer, and a number that is always the same


class Reader:
    """The documents of an index as they were after one commit."""

    def __init__(self, searcher: Searcher, schema: Schema, field: str) -> None:
        """Read by a searcher."""
        self._searcher = searcher
        self._schema = schema
        self._field = field

    def __len__(self) -> int:
        """Return the number of documents."""
        return self._searcher.num_docs

    def count(self, word: str) -> int:
        """Return how many documents have a word."""
        return self._searcher.doc_freq(self._field, word)

    def search(self, words: Sequence[str], count: int, among: Sequence[int] | None) -> dict[int, float]:
        """Return the scores of the `count` best documents, or of all that have one of the words, by number.

        Args:
            words: what is looked for; at least one.
            count: how many; at least 1.
            among: only documents of these numbers.
        """
        query = _any_of(self._schema, self._field, words)
        if among is not None:
            numbers = Query.const_score_query(Query.term_set_query(self._schema, _NUMBER, list(among)), 0.0)
            query = Query.boolean_query([(Occur.Must, query), (Occur.Must, numbers)])
        hits = self._searcher.search(query, count, count=False).hits
        return dict(zip(_numbers(self._searcher, hits), (score for score, _ in hits), strict=True))

    def numbers(self) -> list[int]:
        """Return the numbers of all documents, in no order."""
        return _numbers(self._searcher, self._searcher.search(Query.all_query(), len(self), count=False).hits)


class Words:
    """The words of a collection, searched by BM25."""

    def __init__(self, folder: Path, language: Language) -> None:
        """Take the index in a folder; there need be none, and where it cannot be used, `fault` says why."""
        self._folder = folder
        self.analyser = Analyser(language)
        # Another schema is refused by tantivy, so the field's name says what the words are.
        self._field = f"{language}_{analysis.VERSION}"
        self._schema = _schema(self._field)
        self._opening = threading.Lock()
        self._kept: Index | None = None
        self._place = Opened(folder.parent)
        self._count = 0  # documents after the last commit
        self.fault = ""
        if folder.exists():
            try:
                _check_sums(folder)
                self._count = self._open().searcher().num_docs
            except ERRORS as error:
                self.fault = first_line(error)

    def __len__(self) -> int:
        """Return the number of documents."""
        return self._count

    def numbers(self) -> list[int]:
        """Return the numbers of all documents, in no order."""
        reader = self.reader()
        return reader.numbers() if reader else []

    def change(self, added: Iterable[tuple[int, Iterable[str]]], removed: Collection[int]) -> None:
        """Add documents and remove others, in one commit; what is there already is replaced.

        Args:
            added: number and words of each, a word as often as it comes.
            removed: numbers; those that are not there are no error.

        Raises:
            ValueError, OSError: it cannot be written; the last commit stays.
        """
        added = list(added)
        if self._place.lost():
            raise OSError(f"{self._folder.parent} is not the folder that was opened")
        if not self._count:
            self._folder.mkdir(exist_ok=True)
        with self._opening:
            # Searches see the last commit through the open index; a file that they opened now might hold the next.
            index = self._kept = self._open()
        try:
            self._check(index.searcher())
            self._commit(index, added, removed)
        finally:
            with self._opening:
                self._kept = index if self._count > _KEPT_OPEN else None

    def _commit(self, index: Index, added: Sequence[tuple[int, Iterable[str]]], removed: Collection[int]) -> None:
        writer = _writer(index)
        # What a commit left that was cut off bears names that this one may give, and tantivy writes no file twice.
        writer.garbage_collect_files()
        gone = [*removed, *(number for number, _ in added)]
        # tantivy 0.27 deletes nothing by the term of an unsigned field.
        writer.delete_documents_by_query(Query.term_set_query(self._schema, _NUMBER, gone))
        for number, words in added:
            document = Document()
            document.add_unsigned(_NUMBER, number)
            document.add_text(self._field, " ".join(words))
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
        with self._opening:
            index.reload()
            self._count = index.searcher().num_docs

    def reader(self) -> Reader | None:
        """Return the documents as they were after the last commit; None where there are none.

        Raises:
            ValueError, OSError: the index is not as it was left.
        """
        if not self._count:
            return None
        with self._opening:
            index = self._open()
            if self._count > _KEPT_OPEN:
                self._kept = index
            searcher = index.searcher()
            self._check(searcher)
            return Reader(searcher, self._schema, self._field)

    def clear(self) -> None:
        """Delete the index."""
        with self._opening:
            self._kept = None
            self._count = 0
            self.fault = ""
            shutil.rmtree(self._folder, ignore_errors=True)

    def close(self) -> None:
        """Close the files."""
        with self._opening:
            self._kept = None

    def _check(self, searcher: Searcher) -> None:
        """Refuse to go on with an index that was emptied or replaced."""
        if searcher.num_docs != self._count:
            raise ValueError(f"{self._folder} holds {searcher.num_docs} documents and not {self._count}")

    def _open(self) -> Index:
        """Return the index; a new one where the folder is empty."""
        if self._kept:
            return self._kept
        index = Index(self._schema, path=str(self._folder))
        index.config_reader("manual")  # it is told of commits
        return index


def _schema(field: str) -> Schema:
    builder = SchemaBuilder()
    builder.add_unsigned_field(_NUMBER, indexed=True, fast=True)
    builder.add_text_field(field, tokenizer_name="whitespace", index_option="freq")
    return builder.build()


def _any_of(schema: Schema, field: str, words: Sequence[str]) -> Query:
    terms = [Query.term_query(schema, field, word, index_option="freq") for word in words]
    return Query.boolean_query([(Occur.Should, term) for term in terms])


def _numbers(searcher: Searcher, hits: Sequence[tuple[Any, DocAddress]]) -> list[int]:
    return cast("list[int]", searcher.fast_field_values(_NUMBER, [address for _, address in hits]))


def _writer(index: Index) -> IndexWriter:
    """Return what writes an index, as soon as nothing else does.

    A process that is made just now has the file of the last writer's lock open for a moment (`index_file.py`).
    """
    for _ in range(_TRIES):
        with contextlib.suppress(ValueError):
            return index.writer(_HEAP_BYTES, 1)
        time.sleep(_PAUSE_S)
    return index.writer(_HEAP_BYTES, 1)


def _check_sums(folder: Path) -> None:
    """Look whether each file of an index is as tantivy wrote it, by the checksum at its end.

    tantivy 0.27 looks at a file's last four bytes alone, and follows what is wrong before them.

    Raises:
        ValueError, OSError: one is not.
    """
    if not (folder / "meta.json").is_file():  # tantivy would begin a new index
        raise ValueError("meta.json is not there")
    for path in folder.iterdir():
        if path.suffix not in {".json", ".lock"} and not _intact(path.read_bytes()):
            raise ValueError(f"{path.name} is damaged")


def _intact(data: bytes) -> bool:
    try:
        length, _ = _FOOTER.unpack(data[-_FOOTER.size :])
        end = len(data) - _FOOTER.size - length
        return bool(json.loads(data[end : -_FOOTER.size])["crc"] == zlib.crc32(data[:end]))
    except (struct.error, ValueError, KeyError, TypeError):
        return False
