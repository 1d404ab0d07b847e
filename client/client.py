"""`Client`: a server's calls as Python methods.

Any number of threads may share one client. It holds one channel, which gRPC connects when it is first used
and connects again when it breaks. What the calls send and return is in `requests.py` and `responses.py`,
shared with `AsyncClient`. The module is long because it is the API's reference: half of it is docstrings.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Self, TypeVar

import grpc
from google.protobuf.message import Message

from shortlist.proto import retrieval_pb2 as pb
from shortlist.proto.retrieval_pb2_grpc import InferenceStub, ReindexesStub, RetrievalStub, SnapshotsStub

from . import arguments, channel, errors, reindexing, requests, responses, signatures
from .blocking_ingest import BlockingIngest
from .filters import Where
from .ingest import Ledger
from .reindexing import Reindex, Watch
from .types import (
    CandidatesFrom,
    Collection,
    Description,
    Document,
    Embeddings,
    IngestResult,
    Metadata,
    Mode,
    Model,
    Quantization,
    RankFusion,
    RerankResult,
    SearchResult,
    Snapshot,
    Source,
    TextKind,
    Tokenization,
    UpsertResult,
)

_Request = TypeVar("_Request", bound=Message)
_Response = TypeVar("_Response")


@signatures.checked
class Client:
    """A connection to a Shortlist server: search, index, rerank.

        with Client("127.0.0.1:50051") as client:
            client.create_collection("notes", exist_ok=True)
            client.upsert("notes", [Document("1", "Paris is the capital of France.")])
            for hit in client.search("notes", "what is France's capital?").hits:
                print(hit.score, hit.text)

    Every call takes `timeout_s` and raises `DeadlineExceeded` when it is over; without it, the client's own
    counts. Calls that can be repeated safely are, while the server is away or its queue is full and within that
    time: all but those that make or drop collections and snapshots. gRPC makes five attempts at most, so a server
    that stays busy raises `Overloaded` after seconds, however long the deadline; wait then, and call again. Every
    error is a `ShortlistError` (`errors.py`).
    """

    def __init__(self, address: str = "127.0.0.1:50051", *, timeout_s: float = 30.0) -> None:
        """Prepare to talk to the server at `address`; nothing is sent yet.

        Args:
            address: `host:port`, or another target that gRPC resolves: `unix:/run/shortlist.sock`, `dns:///host:port`.
            timeout_s: deadline of a call that names none itself; more than 0, and 30 days at most.

        Raises:
            InvalidRequest: no server can have the address, or the deadline is outside its limits.
        """
        self.address, self.timeout_s = channel.check_target(address, timeout_s)
        self._note = channel.proxy_note(self.address)
        self._closed = False
        self._channel = grpc.insecure_channel(self.address, options=channel.options(self.address))
        self._retrieval = RetrievalStub(self._channel)
        self._inference = InferenceStub(self._channel)
        self._snapshots = SnapshotsStub(self._channel)
        self._reindexes = ReindexesStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls that are under way in other threads end with an error."""
        self._closed = True
        self._channel.close()

    def wait_until_ready(self, timeout_s: float | None = None) -> Description:
        """Wait until the server takes calls, and return what it runs.

        Raises:
            DeadlineExceeded: it did not within `timeout_s`.
        """
        patience_s = self._deadline_s(timeout_s)
        end = time.monotonic() + patience_s
        while True:
            # No sleep here: gRPC waits for the connection, and between its own retries.
            try:
                return self._describe(max(0.0, end - time.monotonic()), wait_for_ready=True)
            except (errors.Unavailable, errors.DeadlineExceeded) as error:
                if time.monotonic() >= end:
                    raise errors.DeadlineExceeded(
                        f"no server was ready at {self.address} within {patience_s:g} s{self._note}"
                    ) from error

    def describe(self, *, timeout_s: float | None = None) -> Description:
        """Return what the server runs: version, models, limits."""
        return self._describe(timeout_s, wait_for_ready=False)

    def create_collection(
        self,
        name: str,
        *,
        exist_ok: bool = False,
        recall_target: float | None = None,
        language: str | None = None,
        quantization: Quantization | None = None,
        timeout_s: float | None = None,
    ) -> Collection:
        """Make an empty collection, bound to the embedder that the server runs.

        Args:
            name: 1 to 64 lower-case letters, digits, '-' and '_', beginning with a letter or digit.
            exist_ok: True returns a collection of that name that is there already, with its documents.
            recall_target: the share of the 50 nearest documents that stage one is held to find, 0.5 to 1; the default
                is 0.99. `Collection.recall` tells whether it does.
            language: of its texts, such as `english` (the default) or `german`, whose endings and stop words a search
                by words leaves out; `none` for texts of several.
            quantization: `int8` has the index of vectors in 0.6 of the memory; `none`, the default, is float16.
            timeout_s: deadline of this call.

        Raises:
            AlreadyExists: there is one of that name, and not `exist_ok`, or something else was chosen of it.
        """
        request = requests.create_collection(
            name, exist_ok=exist_ok, recall_target=recall_target, language=language, quantization=quantization
        )
        return responses.collection(self._call(self._retrieval.CreateCollection, request, timeout_s).collection)

    def drop_collection(self, name: str, *, timeout_s: float | None = None) -> int:
        """Delete a collection and all its documents, for good; return how many they were."""
        return self._call(self._retrieval.DropCollection, requests.drop_collection(name), timeout_s).documents

    def list_collections(self, *, timeout_s: float | None = None) -> tuple[Collection, ...]:
        """Return every collection, by name."""
        response = self._call(self._retrieval.ListCollections, pb.ListCollectionsRequest(), timeout_s)
        return tuple(responses.collection(one) for one in response.collections)

    def create_snapshot(
        self, name: str = "", collections: Iterable[str] = (), *, timeout_s: float | None = None
    ) -> Snapshot:
        """Copy collections on the server's disk while they are served, each as it is at one moment.

        The snapshot is whole or not there. The server goes on with it when `timeout_s` is over, so
        `list_snapshots` may show it later.

        Args:
            name: as a collection's; empty: the time.
            collections: their names; none: all.
            timeout_s: deadline of this call; large collections take minutes.

        Raises:
            AlreadyExists: there is a snapshot of that name.
        """
        request = requests.create_snapshot(name, collections)
        return responses.snapshot(self._call(self._snapshots.CreateSnapshot, request, timeout_s).snapshot)

    def list_snapshots(self, *, timeout_s: float | None = None) -> tuple[Snapshot, ...]:
        """Return every snapshot, by name."""
        response = self._call(self._snapshots.ListSnapshots, pb.ListSnapshotsRequest(), timeout_s)
        return tuple(responses.snapshot(one) for one in response.snapshots)

    def restore_snapshot(
        self, snapshot: str, collections: Iterable[str] = (), *, timeout_s: float | None = None
    ) -> tuple[Collection, ...]:
        """Make collections of the copies in a snapshot; return them. The server goes on when `timeout_s` is over.

        Args:
            snapshot: its name.
            collections: which of its collections; none: all.
            timeout_s: deadline of this call; large collections take minutes.

        Raises:
            AlreadyExists: a collection of that name is there; nothing was restored.
            InvalidRequest: another version or embedder made the snapshot, or it is not as it was made.
        """
        request = requests.restore_snapshot(snapshot, collections)
        response = self._call(self._snapshots.RestoreSnapshot, request, timeout_s)
        return tuple(responses.collection(one) for one in response.collections)

    def drop_snapshot(self, name: str, *, timeout_s: float | None = None) -> None:
        """Delete a snapshot, for good."""
        self._call(self._snapshots.DropSnapshot, requests.drop_snapshot(name), timeout_s)

    def reindex(
        self,
        collection: str,
        embedder: str = "",
        variant: str = "",
        *,
        on_progress: Watch | None = None,
        timeout_s: float | None = None,
    ) -> Reindex:
        """Make a collection's vectors anew by another embedder, and return once searches use them.

        Searches go on with the old vectors meanwhile. The server goes on if this call ends early, also after a
        restart; called again, it joins.

        Args:
            collection: its name.
            embedder: the absolute path of a bundle on the server; empty: the server's own, of new collections.
            variant: which of its variants; empty: the one that runs, or the fastest that passed its gate.
            on_progress: is told how far it is, now and then.
            timeout_s: deadline of each call to the server.

        Raises:
            InvalidRequest: the server cannot use the bundle, or another embedder is at work on the collection.
            ServerError: it failed, or was cancelled; what was made is kept where it failed.
        """
        watch = reindexing.watch(on_progress)
        now = begun = self.start_reindex(collection, embedder, variant, timeout_s=timeout_s)
        while now.state == "running":
            watch(now)
            now = self.get_reindex(collection, after=reindexing.next_step(now), timeout_s=timeout_s)
        return reindexing.ended(now, begun.embedder_fingerprint)

    def start_reindex(
        self, collection: str, embedder: str = "", variant: str = "", *, timeout_s: float | None = None
    ) -> Reindex:
        """Begin what `reindex` does, or join it, and return how far it is; the server goes on."""
        request = reindexing.start(collection, embedder, variant)
        return reindexing.plain(self._call(self._reindexes.StartReindex, request, timeout_s))

    def get_reindex(self, collection: str, *, after: int | None = None, timeout_s: float | None = None) -> Reindex:
        """Return how far a collection is made anew.

        Args:
            collection: its name.
            after: return once more than so many documents are made, or it ended, or after 10 seconds; None: at once.
            timeout_s: deadline of this call.
        """
        return reindexing.plain(self._call(self._reindexes.GetReindex, reindexing.get(collection, after), timeout_s))

    def cancel_reindex(self, collection: str, *, timeout_s: float | None = None) -> Reindex:
        """End what `reindex` began, and drop what was made; the collection stays as it is."""
        return reindexing.plain(self._call(self._reindexes.CancelReindex, reindexing.cancel(collection), timeout_s))

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
        `timeout_s` allows; what was answered is never lost. Whoever stops asking for results ends it: what was not
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
        return BlockingIngest(self._ingest_line, Ledger(start, deadline_s, self._note)).results(given)

    def _ingest_line(self, messages: Iterator[pb.IngestRequest]) -> "grpc.CallIterator[pb.IngestResponse]":
        self._check_open()
        return self._retrieval.Ingest(messages)

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

    def search(
        self,
        collection: str,
        query: str,
        top_k: int = 10,
        *,
        candidates: int | None = None,
        mode: Mode = "auto",
        include_text: bool = True,
        include_metadata: bool = True,
        include_vectors: bool = False,
        similarity_weight: float | None = None,
        margin: float | None = None,
        where: Where | None = None,
        candidates_from: CandidatesFrom | None = None,
        rank_fusion: RankFusion = "distribution",
        timeout_s: float | None = None,
    ) -> SearchResult:
        """Find the documents that answer a query, best first.

        A deadline that comes near fails no search: what was not reranked by then follows the rest, see `degraded`.

        Args:
            collection: where to look.
            query: what to look for.
            top_k: hits to return.
            candidates: documents that stage one finds and stage two reads. Left out, stage one finds 50, or
                `top_k` if that is more, and stage two reads those within `margin`, as far as the server's budget of
                time allows (`describe().limits.auto_budget_ms`); the result says how many, and why.
            mode: `two-stage`; `dense` for stage one alone; `rerank-all` to have every document of a small
                collection scored; `auto` is `two-stage` with every document of a small collection for a candidate.
            include_text: whether hits carry title and text.
            include_metadata: whether hits carry metadata.
            include_vectors: whether hits carry vectors.
            similarity_weight: weight of the similarity in the final order, 0 (score alone) to 100: logits that a
                similarity of 1 more is worth. The default is what the reranker's bundle says, for most 0.
            margin: how far the cosine of a candidate may be behind the best one's for stage two to read it, 0 to 2;
                `top_k` of them are read in any case, and those that words found with half of the best BM25. The
                default is the server's (`describe().limits.margin`) where no `candidates` are named, else 2, which is
                all.
            where: only documents whose metadata match, such as `{"year": {"gte": 2020}}`; `filters.py` has the forms.
            candidates_from: what stage one ranks by: `dense`, the similarity of vectors; `lexical`, words in common
                with the query, which finds names, codes and rare words; `hybrid`, both: half of the candidates each.
                The default is `hybrid`, and in mode `dense` its own.
            rank_fusion: how `hybrid` is ordered in mode `dense`, where no reranker does it: by the `distribution` of
                both rankings' scores, or by places (`rrf`).
            timeout_s: deadline of this call.
        """
        request = requests.search(
            collection,
            query,
            top_k,
            candidates,
            mode,
            include_text,
            include_metadata,
            similarity_weight,
            margin,
            include_vectors,
            where,
            candidates_from,
            rank_fusion,
        )
        return responses.search(self._call(self._retrieval.Search, request, timeout_s))

    def embed(
        self, texts: Iterable[str], kind: TextKind = "document", *, timeout_s: float | None = None
    ) -> Embeddings:
        """Turn texts into vectors, with the embedder's prefix for `kind` before each."""
        return responses.embed(self._call(self._inference.Embed, requests.embed(texts, kind), timeout_s))

    def rerank(
        self,
        query: str,
        documents: Iterable[str],
        top_k: int | None = None,
        *,
        timeout_s: float | None = None,
    ) -> RerankResult:
        """Score texts against a query, best first, and return the best `top_k` or all.

        A deadline that comes near does not fail the call: what was not scored then follows the rest.
        """
        request = requests.rerank(query, documents, top_k)
        return responses.rerank(request, self._call(self._inference.Rerank, request, timeout_s))

    def tokenize(
        self,
        texts: Iterable[str],
        model: Model = "embedder",
        *,
        query: str = "",
        kind: TextKind = "document",
        ends_only: bool = False,
        timeout_s: float | None = None,
    ) -> tuple[Tokenization, ...]:
        """Show how a model sees texts, and whether they fit its window.

        Args:
            texts: what to tokenize.
            model: which of the two.
            query: reranker only: what each text is paired with; empty tokenizes the texts alone.
            kind: embedder only: which prefix goes before each text.
            ends_only: True returns only where each token ends in the whole text, which `shortlist index` cuts by.
            timeout_s: deadline of this call.
        """
        request = requests.tokenize(texts, model=model, query=query, kind=kind, ends_only=ends_only)
        return responses.tokenize(self._call(self._inference.Tokenize, request, timeout_s))

    def _check_open(self) -> None:
        if self._closed:
            raise errors.UnusableClient(f"the client for {self.address} is closed; make another one")

    def _deadline_s(self, timeout_s: float | None) -> float:
        return self.timeout_s if timeout_s is None else channel.check_timeout(timeout_s)

    def _describe(self, timeout_s: float | None, *, wait_for_ready: bool) -> Description:
        response = self._call(
            self._inference.Describe, pb.DescribeRequest(), timeout_s, wait_for_ready=wait_for_ready
        )
        return responses.describe(response)

    def _call(
        self,
        method: "grpc.UnaryUnaryMultiCallable[_Request, _Response]",
        request: _Request,
        timeout_s: float | None,
        *,
        wait_for_ready: bool = False,
    ) -> _Response:
        self._check_open()
        channel.check_size(request)
        deadline_s = self._deadline_s(timeout_s)
        try:
            return method(request, timeout=deadline_s, wait_for_ready=wait_for_ready)
        except grpc.RpcError as error:
            raise errors.of_rpc(error, deadline_s, self._note) from error
