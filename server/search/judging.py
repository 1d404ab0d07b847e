"""Judgements of answers: checked against the collection that they are of, then read or written in threads."""

import asyncio
from pathlib import Path

from shortlist.server.storage.judgements import Grades, Judgements

from . import request_checks
from .contents import Contents
from .limits import Limits


class Judging:
    """What people say of the answers of a server's collections."""

    def __init__(self, contents: Contents, limits: Limits, judgements: Judgements) -> None:
        """Keep judgements of these collections."""
        self._contents = contents
        self._limits = limits
        self._judgements = judgements

    def folder(self, name: str) -> Path:
        """Return where the judgements of a collection are, or will be.

        Raises:
            UnknownCollection: there is none of that name.
        """
        return self._judgements.folder(self._contents.collection(name).name)

    async def read(self, name: str) -> Grades:
        """Return the judgements of a collection.

        Raises:
            UnknownCollection, StorageFailed: as the catalog and the judgements say.
        """
        return await asyncio.to_thread(self._judgements.read, self._contents.collection(name).name)

    async def judge(self, name: str, query: str, document: str, grade: int | None) -> int:
        """Set what is said of a document, or take it back with None; return how many judgements there are.

        Raises:
            InvalidRequest, UnknownCollection, UnknownDocument: the request is at fault.
            StorageFailed: nothing was saved.
        """
        request_checks.judgement(self._limits, query, grade)
        collection = self._contents.collection(name)
        if grade is not None:  # what is said of a document that is gone may be taken back
            await self._contents.get(name, [document])
        return await self._contents.write(self._judgements.judge, collection.name, query, document, grade)
