"""What a document store writes, changes and deletes: each call twice, for threads and for asyncio."""

from collections.abc import Iterable, Mapping
from typing import Any

from haystack import Document
from haystack.document_stores.types import DuplicatePolicy

from shortlist.client import Collection as Made
from shortlist.client import Document as Stored

from . import documents as converted
from . import filters as translated
from .connection import META_BATCH, WHOLE_BATCH, Connected, batches


class Changes(Connected):
    """The calls that change documents."""

    def write_documents(self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE) -> int:
        """Write documents, of any number; return how many were written.

        Args:
            documents: those to write; the server embeds those that have no embedding.
            policy: what becomes of a document whose id is there; NONE is FAIL.

        Raises:
            ValueError: it is no list of documents.
            DuplicateDocumentError: an id is there, or comes twice, under FAIL; nothing was written.
            DocumentStoreError: a document has no text, or has what is not stored, and nothing was written; or the
                server refused some, and the others are stored.
        """
        client, given = self._client(), converted.by_id(documents, policy)
        if policy == DuplicatePolicy.OVERWRITE:
            converted.check_written(list(client.ingest(self.collection, given.values())))
            return len(documents)
        parts = [client.get(self.collection, part, skip_missing=True) for part in batches(given, WHOLE_BATCH)]
        there = dict.fromkeys(one.id for part in parts for one in part)
        if policy != DuplicatePolicy.SKIP:
            converted.check_new(there)
        new = [one for one in given.values() if one.id not in there]
        converted.check_written(list(client.ingest(self.collection, new)))
        return len(new)

    async def write_documents_async(
        self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE
    ) -> int:
        """Write documents, of any number; see `write_documents`."""
        client, given = await self._client_async(), converted.by_id(documents, policy)
        if policy == DuplicatePolicy.OVERWRITE:
            converted.check_written([one async for one in client.ingest(self.collection, given.values())])
            return len(documents)
        parts = [await client.get(self.collection, part, skip_missing=True) for part in batches(given, WHOLE_BATCH)]
        there = dict.fromkeys(one.id for part in parts for one in part)
        if policy != DuplicatePolicy.SKIP:
            converted.check_new(there)
        new = [one for one in given.values() if one.id not in there]
        converted.check_written([one async for one in client.ingest(self.collection, new)])
        return len(new)

    def delete_documents(self, document_ids: list[str]) -> None:
        """Delete documents; an id that is not there is no error."""
        client = self._client()
        for part in batches(document_ids, META_BATCH):
            client.delete(self.collection, part)

    async def delete_documents_async(self, document_ids: list[str]) -> None:
        """Delete documents; an id that is not there is no error."""
        client = await self._client_async()
        for part in batches(document_ids, META_BATCH):
            await client.delete(self.collection, part)

    def delete_by_filter(self, filters: dict[str, Any]) -> int:
        """Delete all documents that match, or none if that fails; return how many."""
        with translated.refusals():
            return self._client().delete(self.collection, where=translated.whole(filters))

    async def delete_by_filter_async(self, filters: dict[str, Any]) -> int:
        """Delete all documents that match, or none if that fails; return how many."""
        client = await self._client_async()
        with translated.refusals():
            return await client.delete(self.collection, where=translated.whole(filters))

    def delete_all_documents(self, *, recreate_collection: bool = False) -> None:
        """Delete all documents.

        Args:
            recreate_collection: whether to drop the collection, and make another one like it, with the server's
                embedder of now.
        """
        client = self._client()
        if not recreate_collection:
            client.delete(self.collection, where=translated.EVERYTHING)
            return
        made = client.create_collection(self.collection, exist_ok=True)
        client.drop_collection(self.collection)
        client.create_collection(self.collection, **_choices(made))

    async def delete_all_documents_async(self, *, recreate_collection: bool = False) -> None:
        """Delete all documents; see `delete_all_documents`."""
        client = await self._client_async()
        if not recreate_collection:
            await client.delete(self.collection, where=translated.EVERYTHING)
            return
        made = await client.create_collection(self.collection, exist_ok=True)
        await client.drop_collection(self.collection)
        await client.create_collection(self.collection, **_choices(made))

    def update_by_filter(self, filters: dict[str, Any], meta: dict[str, Any]) -> int:
        """Set fields of the meta of all documents that match, and keep their others; return how many matched."""
        client = self._client()
        with translated.refusals():
            matching = list(client.list(self.collection, where=translated.where(filters)))
        for part in batches(matching, META_BATCH):
            client.update_metadata(self.collection, _merged(part, meta))
        return len(matching)

    async def update_by_filter_async(self, filters: dict[str, Any], meta: dict[str, Any]) -> int:
        """Set fields of the meta of all documents that match; see `update_by_filter`."""
        client = await self._client_async()
        with translated.refusals():
            matching = [one async for one in client.list(self.collection, where=translated.where(filters))]
        for part in batches(matching, META_BATCH):
            await client.update_metadata(self.collection, _merged(part, meta))
        return len(matching)


def _choices(made: Made) -> dict[str, Any]:
    return {"language": made.language, "quantization": made.quantization, "recall_target": made.recall.target}


def _merged(documents: Iterable[Stored], meta: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {one.id: {**one.metadata, **meta} for one in documents}
