"""What `Client` does with whole collections: make, drop, copy and restore them, and change their embedder."""

from collections.abc import Iterable

from shortlist.proto import retrieval_pb2 as pb

from . import collection_messages, reindexing
from .blocking_connection import Connection
from .reindexing import Reindex, Watch
from .token_vectors import TokenPooling
from .types import Collection, Quantization, Snapshot


class CollectionCalls(Connection):
    """The calls on whole collections."""

    def create_collection(
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
        """Make an empty collection, bound to the embedder that the server runs.

        Args:
            name: 1 to 64 lower-case letters, digits, '-' and '_', beginning with a letter or digit.
            exist_ok: True returns a collection of that name that is there already, with its documents.
            recall_target: the share of the 50 nearest documents that stage one is held to find, 0.5 to 1; the default
                is 0.99. `Collection.recall` tells whether it does.
            language: of its texts, such as `english` (the default) or `german`, whose endings and stop words a search
                by words leaves out; `none` for texts of several.
            quantization: `int8` has the index of vectors in 0.6 of the memory; `none`, the default, is float16.
            token_pooling: which token vectors its documents have, for late interaction: `none` has one for each
                token, `by-two` one for two that are alike, in half of the disk, `no-vectors` has none. The default is
                the server's.
            timeout_s: deadline of this call.

        Raises:
            AlreadyExists: there is one of that name, and not `exist_ok`, or something else was chosen of it.
        """
        request = collection_messages.create(
            name,
            exist_ok=exist_ok,
            recall_target=recall_target,
            language=language,
            quantization=quantization,
            token_pooling=token_pooling,
        )
        response = self._call(self._retrieval.CreateCollection, request, timeout_s)
        return collection_messages.collection(response.collection)

    def drop_collection(self, name: str, *, timeout_s: float | None = None) -> int:
        """Delete a collection and all its documents, for good; return how many they were."""
        return self._call(self._retrieval.DropCollection, collection_messages.drop(name), timeout_s).documents

    def list_collections(self, *, timeout_s: float | None = None) -> tuple[Collection, ...]:
        """Return every collection, by name."""
        response = self._call(self._retrieval.ListCollections, pb.ListCollectionsRequest(), timeout_s)
        return tuple(collection_messages.collection(one) for one in response.collections)

    def set_token_vectors(
        self, collection: str, token_pooling: TokenPooling, *, timeout_s: float | None = None
    ) -> Collection:
        """Set which token vectors a collection's documents have, for late interaction, and return it as it is then.

        The server makes them in the background, also after this call and after a restart; `Collection.token_vectors`
        tells how far it is, and searches do without until it is `ready`. Those that were there are dropped where they
        are others.

        Args:
            collection: its name.
            token_pooling: as in `create_collection`; `no-vectors` drops what is there.
            timeout_s: deadline of this call.

        Raises:
            Unsupported: the server has no late-interaction model.
        """
        request = collection_messages.set_token_vectors(collection, token_pooling)
        response = self._call(self._retrieval.SetTokenVectors, request, timeout_s)
        return collection_messages.collection(response.collection)

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
        request = collection_messages.create_snapshot(name, collections)
        return collection_messages.snapshot(self._call(self._snapshots.CreateSnapshot, request, timeout_s).snapshot)

    def list_snapshots(self, *, timeout_s: float | None = None) -> tuple[Snapshot, ...]:
        """Return every snapshot, by name."""
        response = self._call(self._snapshots.ListSnapshots, pb.ListSnapshotsRequest(), timeout_s)
        return tuple(collection_messages.snapshot(one) for one in response.snapshots)

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
        request = collection_messages.restore_snapshot(snapshot, collections)
        response = self._call(self._snapshots.RestoreSnapshot, request, timeout_s)
        return tuple(collection_messages.collection(one) for one in response.collections)

    def drop_snapshot(self, name: str, *, timeout_s: float | None = None) -> None:
        """Delete a snapshot, for good."""
        self._call(self._snapshots.DropSnapshot, collection_messages.drop_snapshot(name), timeout_s)

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
