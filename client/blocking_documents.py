"""What `Client` does with the documents of a collection."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from shortlist.proto import retrieval_pb2 as pb

from . import arguments, requests, responses
from .blocking_connection import Connection
from .blocking_ingest import BlockingIngest
from .filters import Where
from .ingest import Ledger
from .types import (
    Document,
    IngestResult,
    Metadata,
    Source,
    UpsertResult,
)

if TYPE_CHECKING:
    import grpc


class DocumentCalls(Connection):
    """The calls on documents."""

    def upsert(
        self, collection: str, documents: Iterable[Document], *, timeout_s: float | None = None
    ) -> UpsertResult:
        """Insert documents, or replace those whose id is there already.

        All or nothing: once this returns, every document is on the server's disk and searches find it. One
        call takes 1,000 documents and 64 MiB, unless the server says otherwise (`describe().limits`). Documents
        whose title and text are as they were, and those that bring a vector, are not embedded.
        """
        request = requests.upsert(collection, documents)
        return responses.upsert(self._call(self._retrieval.Upsert, request, timeout_s))

    def ingest(
        self,
        collection: str,
        documents: Iterable[Document],
        *,
        create: bool = False,
        timeout_s: float | None = None,
    ) -> Iterator[IngestResult]:
        """Insert or replace any number of documents, and yield what became of each as soon as it is on disk.

            for result in client.ingest("notes", documents):
                if result.error:
                    print(result.document.id, result.error)

        Nothing is sent before the first result is asked for. A document that is refused fails no other. Documents
        are asked for as the server takes them, on the thread that asks for results, which do not come in the order of
        the documents. While the server is away or busy, those that were not answered are sent again, for as long as
        `timeout_s` allows; what was answered is never lost. A server that was never reached is given up after five
        attempts, as by other calls. Whoever stops asking for results ends it: what was not
        answered then may be stored or not.

        Args:
            collection: its name.
            documents: each id once, or again after its result.
            create: whether to make the collection if it is not there.
            timeout_s: for how long no result may come while documents wait for one.

        Raises:
            NotFound: the collection is not there, and not `create`.
            Unavailable, Overloaded, DeadlineExceeded: no result came for `timeout_s`.
        """
        start, deadline_s = requests.ingest_start(collection, create=create), self._deadline_s(timeout_s)
        given = arguments.several("documents", documents, "documents")
        return BlockingIngest(self._ingest_line, Ledger(start, deadline_s, self.address, self._note)).results(given)

    def _ingest_line(self, messages: Iterator[pb.IngestRequest]) -> "grpc.CallIterator[pb.IngestResponse]":
        self._check_open()
        return self._retrieval.Ingest(messages, metadata=self._metadata)

    def delete(
        self,
        collection: str,
        ids: Iterable[str] = (),
        *,
        where: Where | None = None,
        timeout_s: float | None = None,
    ) -> int:
        """Delete documents by id, or all that match a filter; return how many of them were there."""
        return self._call(self._retrieval.Delete, requests.delete(collection, ids, where), timeout_s).deleted

    def count(self, collection: str, *, where: Where | None = None, timeout_s: float | None = None) -> int:
        """Return how many documents a collection holds, or how many of them match a filter."""
        return self._call(self._retrieval.Count, requests.count(collection, where), timeout_s).documents

    def update_metadata(
        self, collection: str, metadata: Mapping[str, Metadata], *, timeout_s: float | None = None
    ) -> None:
        """Set the metadata of documents, by id, and nothing else; nothing is embedded again.

        All or nothing. What a document had of metadata is replaced.

        Raises:
            NotFound: the collection, or any of the ids, is not there.
        """
        self._call(self._retrieval.UpdateMetadata, requests.update_metadata(collection, metadata), timeout_s)

    def get(
        self,
        collection: str,
        ids: Iterable[str],
        *,
        skip_missing: bool = False,
        include_vectors: bool = False,
        timeout_s: float | None = None,
    ) -> tuple[Document, ...]:
        """Return documents by id, in the order of the ids.

        Args:
            collection: its name.
            ids: which; 1,000 at most, unless the server says otherwise.
            skip_missing: True passes over ids that are not there.
            include_vectors: whether documents carry their vectors.
            timeout_s: deadline of this call.

        Raises:
            NotFound: the collection is not there, or any of the ids, and not `skip_missing`.
        """
        request = requests.get(collection, ids, skip_missing=skip_missing, include_vectors=include_vectors)
        response = self._call(self._retrieval.Get, request, timeout_s)
        return tuple(responses.document(one) for one in response.documents)

    def list(
        self,
        collection: str,
        *,
        source: str = "",
        ids_only: bool = False,
        where: Where | None = None,
        page_size: int | None = None,
        timeout_s: float | None = None,
    ) -> Iterator[Document]:
        """Go through the documents of a collection, in the order in which they were last written.

        Args:
            collection: its name.
            source: only documents from this source; empty for all.
            ids_only: True leaves everything empty but id and source.
            where: only documents that match, as in `search`.
            page_size: documents that one call to the server brings; the server's default is 100.
            timeout_s: deadline of each such call.
        """
        token = ""
        while True:
            request = requests.list_page(collection, page_size, token, source=source, ids_only=ids_only, where=where)
            page = self._call(self._retrieval.List, request, timeout_s)
            yield from (responses.document(one) for one in page.documents)
            token = page.next_page_token
            if not token:
                return

    def list_sources(
        self, collection: str, *, below: str = "", page_size: int | None = None, timeout_s: float | None = None
    ) -> Iterator[Source]:
        """Go through what a collection's documents came from, by name.

        Args:
            collection: its name.
            below: only this source, and those below it as files are below a folder; empty for all.
            page_size: sources that one call to the server brings; the server's default is 100.
            timeout_s: deadline of each such call.
        """
        token = ""
        while True:
            request = requests.sources_page(collection, below, page_size, token)
            page = self._call(self._retrieval.ListSources, request, timeout_s)
            yield from (responses.source(one) for one in page.sources)
            token = page.next_page_token
            if not token:
                return
