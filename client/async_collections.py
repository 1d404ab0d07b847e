"""What `AsyncClient` does with whole collections: make, drop, copy and restore them, and change their embedder."""

from collections.abc import Iterable

from shortlist.proto import retrieval_pb2 as pb

from . import collection_messages, reindexing
from .async_connection import Connection
from .reindexing import Reindex, Watch
from .token_vectors import TokenPooling
from .types import Collection, Quantization, Snapshot


class CollectionCalls(Connection):
    """The calls on whole collections."""

    async def create_collection(
        self,
        name: str,
        *,
        exist_ok: bool = False,
        recall_target: float | None = None,
        language: str | None = None,
        quantization: Quantization | None = None,
        token_pooling: TokenPooling | None = None,
        timeout_s: float | None = None,
    ) -> Collection:
        """Make an empty collection; see `Client.create_collection`."""
        request = collection_messages.create(
            name,
            exist_ok=exist_ok,
            recall_target=recall_target,
            language=language,
            quantization=quantization,
            token_pooling=token_pooling,
        )
        response = await self._call(self._retrieval.CreateCollection, request, timeout_s)
        return collection_messages.collection(response.collection)

    async def drop_collection(self, name: str, *, timeout_s: float | None = None) -> int:
        """Delete a collection and all its documents, for good; return how many they were."""
        response = await self._call(self._retrieval.DropCollection, collection_messages.drop(name), timeout_s)
        return response.documents

    async def list_collections(self, *, timeout_s: float | None = None) -> tuple[Collection, ...]:
        """Return every collection, by name."""
        response = await self._call(self._retrieval.ListCollections, pb.ListCollectionsRequest(), timeout_s)
        return tuple(collection_messages.collection(one) for one in response.collections)

    async def set_token_vectors(
        self, collection: str, token_pooling: TokenPooling, *, timeout_s: float | None = None
    ) -> Collection:
        """Set which token vectors a collection's documents have; see `Client.set_token_vectors`."""
        request = collection_messages.set_token_vectors(collection, token_pooling)
        response = await self._call(self._retrieval.SetTokenVectors, request, timeout_s)
        return collection_messages.collection(response.collection)

    async def create_snapshot(
        self, name: str = "", collections: Iterable[str] = (), *, timeout_s: float | None = None
    ) -> Snapshot:
        """Copy collections on the server's disk while they are served; see `Client.create_snapshot`."""
        request = collection_messages.create_snapshot(name, collections)
        response = await self._call(self._snapshots.CreateSnapshot, request, timeout_s)
        return collection_messages.snapshot(response.snapshot)

    async def list_snapshots(self, *, timeout_s: float | None = None) -> tuple[Snapshot, ...]:
        """Return every snapshot, by name."""
        response = await self._call(self._snapshots.ListSnapshots, pb.ListSnapshotsRequest(), timeout_s)
        return tuple(collection_messages.snapshot(one) for one in response.snapshots)

    async def restore_snapshot(
        self, snapshot: str, collections: Iterable[str] = (), *, timeout_s: float | None = None
    ) -> tuple[Collection, ...]:
        """Make collections of the copies in a snapshot; see `Client.restore_snapshot`."""
        request = collection_messages.restore_snapshot(snapshot, collections)
        response = await self._call(self._snapshots.RestoreSnapshot, request, timeout_s)
        return tuple(collection_messages.collection(one) for one in response.collections)

    async def drop_snapshot(self, name: str, *, timeout_s: float | None = None) -> None:
        """Delete a snapshot, for good."""
        await self._call(self._snapshots.DropSnapshot, collection_messages.drop_snapshot(name), timeout_s)

    async def reindex(
        self,
        collection: str,
        embedder: str = "",
        variant: str = "",
        *,
        on_progress: Watch | None = None,
        timeout_s: float | None = None,
    ) -> Reindex:
        """Make a collection's vectors anew by another embedder, and return once searches use them.

        See `Client.reindex`.
        """
        watch = reindexing.watch(on_progress)
        now = begun = await self.start_reindex(collection, embedder, variant, timeout_s=timeout_s)
        while now.state == "running":
            watch(now)
            now = await self.get_reindex(collection, after=reindexing.next_step(now), timeout_s=timeout_s)
        return reindexing.ended(now, begun.embedder_fingerprint)

    async def start_reindex(
        self, collection: str, embedder: str = "", variant: str = "", *, timeout_s: float | None = None
    ) -> Reindex:
        """Begin what `reindex` does, or join it, and return how far it is; the server goes on."""
        request = reindexing.start(collection, embedder, variant)
        return reindexing.plain(await self._call(self._reindexes.StartReindex, request, timeout_s))

    async def get_reindex(
        self, collection: str, *, after: int | None = None, timeout_s: float | None = None
    ) -> Reindex:
        """Return how far a collection is made anew; see `Client.get_reindex`."""
        request = reindexing.get(collection, after)
        return reindexing.plain(await self._call(self._reindexes.GetReindex, request, timeout_s))

    async def cancel_reindex(self, collection: str, *, timeout_s: float | None = None) -> Reindex:
        """End what `reindex` began, and drop what was made; the collection stays as it is."""
        request = reindexing.cancel(collection)
        return reindexing.plain(await self._call(self._reindexes.CancelReindex, request, timeout_s))
