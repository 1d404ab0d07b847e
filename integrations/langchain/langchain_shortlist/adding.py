"""Texts on their way into a collection: as the client's documents, and what became of each."""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from shortlist.client import Document, IngestResult, ShortlistError

_SHOWN = 3


class RefusedDocuments(ShortlistError, ValueError):
    """Documents that the server did not store; it stored the others.

    Attributes:
        refused: why, by id.
        stored: the ids of the others.
    """

    def __init__(self, refused: Mapping[str, ShortlistError], stored: Sequence[str]) -> None:
        shown = "; ".join(f"{identifier!r}: {error}" for identifier, error in list(refused.items())[:_SHOWN])
        more = f"; and {len(refused) - _SHOWN:,} more" if len(refused) > _SHOWN else ""
        count = len(refused) + len(stored)
        super().__init__(
            f"{len(refused):,} of {count:,} documents were refused and the others are stored; mend these and add"
            f" them again: {shown}{more}"
        )
        self.refused, self.stored = refused, stored

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as what it was made of, so that it can leave a worker process."""
        return type(self), (self.refused, self.stored)


class Adding:
    """The texts of one call, with metadata and ids."""

    def __init__(
        self,
        texts: Iterable[str],
        metadatas: Sequence[Mapping[str, Any]] | None,
        ids: Sequence[str | None] | None,
        title_key: str | None = None,
    ) -> None:
        """Give ids to the texts that have none.

        Args:
            texts: what to add.
            metadatas: of each text, or none.
            ids: of each text, where it has one.
            title_key: which of the metadata is the title, if any.

        Raises:
            ValueError: there are not as many metadatas or ids as texts.
        """
        self._texts = list(texts)
        count = len(self._texts)
        for name, given in (("metadatas", metadatas), ("ids", ids)):
            if given is not None and len(given) != count:
                raise ValueError(f"{name}: got {len(given)}, but there are {count} texts; give one for each")
        self._metadatas = [{}] * count if metadatas is None else metadatas
        self.ids = [one or str(uuid.uuid4()) for one in ids or [None] * count]
        self._title_key = title_key
        self._refused: dict[str, ShortlistError] = {}

    def documents(self) -> Iterator[Document]:
        """Yield the documents; of those with one id the last, which would have replaced the others."""
        last = {identifier: place for place, identifier in enumerate(self.ids)}
        for place, (identifier, text, metadata) in enumerate(
            zip(self.ids, self._texts, self._metadatas, strict=True)
        ):
            if last[identifier] == place:
                title = "" if self._title_key is None else metadata.get(self._title_key) or ""
                yield Document(identifier, text, title, metadata)

    def take(self, result: IngestResult) -> None:
        """Take what became of a document."""
        if result.error is not None:
            self._refused[result.document.id] = result.error

    def check(self) -> None:
        """Raise if a document was refused.

        Raises:
            RefusedDocuments: naming each.
        """
        if self._refused:
            stored = [one for one in dict.fromkeys(self.ids) if one not in self._refused]
            raise RefusedDocuments(self._refused, stored)
