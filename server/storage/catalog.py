"""The collections in the data folder: made, opened, dropped, listed.

A collection comes and goes by a rename, so there is no half of one. Methods block; the pipeline calls them from
threads.
"""

import logging
import shutil
import sqlite3
import threading
import time
import uuid
from collections.abc import Container, Sequence
from dataclasses import asdict
from pathlib import Path

from shortlist.server import durable
from shortlist.server.errors import (
    CollectionExists,
    InvalidRequest,
    StorageError,
    StorageFailed,
    UnknownCollection,
    shown,
)

from . import folder_lock, token_vectors
from .choices import ANYTHING, DEFAULTS, TokenPooling, Wanted
from .collection import Collection
from .data_folder import COLLECTIONS, SNAPSHOTS, UNFINISHED
from .document import Origin
from .snapshot import Copy, Snapshot
from .snapshots import Snapshots

logger = logging.getLogger(__name__)


class Catalog:
    """All collections of one data folder, for the embedders that are served."""

    def __init__(
        self,
        data: Path,
        origin: Origin,
        snapshots: Path | None = None,
        served: Container[str] = (),
        token_model: Origin | None = None,
        token_pooling: TokenPooling | None = None,
    ) -> None:
        """Take the folder, and open all its collections.

        Args:
            data: the folder.
            origin: the embedder that makes new collections.
            snapshots: the folder of snapshots; None: the one in the data folder.
            served: fingerprints of further embedders, as they are at any time.
            token_model: the late-interaction model, which makes token vectors; None: there is none.
            token_pooling: the token vectors of new collections for which none are chosen; None: they have none.

        Raises:
            StorageError: another server has the folder, it cannot be written, or a collection in it is damaged or
                was made with an embedder that is not served.
        """
        self._served = served
        self._root = data / COLLECTIONS
        self._origin = origin
        self.token_model = token_model
        self._token_pooling = token_pooling
        self.snapshots = Snapshots(snapshots or data / SNAPSHOTS)
        self._changing = threading.Lock()
        try:
            self._root.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            raise StorageError(f"data folder {data} cannot be used: {error}") from error
        self._lock = folder_lock.take(data)
        self._collections: dict[str, Collection] = {}
        try:
            for folder in self._folders():
                self._collections[folder.name] = self._opened(folder)
        except BaseException:
            self.close()
            raise

    def get(
        self, name: str, field: str = "collection", remedy: str = "name one of these, or create it"
    ) -> Collection:
        """Return a collection.

        Args:
            name: its name.
            field: of the request, that holds the name.
            remedy: what a caller who named another one can do.

        Raises:
            UnknownCollection: there is none of that name.
        """
        try:
            return self._collections[name]
        except KeyError:
            there = ", ".join(sorted(self._collections)[:10]) or "none yet"
            raise UnknownCollection(
                f"{field}: there is no collection named {shown(name)} (there are: {there}); {remedy}"
            ) from None

    def collections(self) -> list[Collection]:
        """Return all collections by name."""
        return [collection for _, collection in sorted(self._collections.items())]

    def create(self, name: str, *, exist_ok: bool, wanted: Wanted = ANYTHING) -> tuple[Collection, bool]:
        """Make a collection, of a name that can be a folder's, and return it and whether it is new.

        Args:
            name: its name.
            exist_ok: whether it may be there already.
            wanted: what is chosen of it.

        Raises:
            CollectionExists: it is there, and `exist_ok` is false, or of it something else was chosen.
            StorageFailed: the disk is full, or fails.
        """
        with self._changing:
            if name in self._collections:
                if exist_ok:
                    there = self._collections[name]
                    _check_same(there, wanted)
                    return there, False
                raise CollectionExists(f"name: collection {name!r} is there already; drop it, or set exist_ok")
            folder = self._root / f".new-{uuid.uuid4().hex}"
            try:
                folder.mkdir()
                tokens = token_vectors.begun(wanted.token_pooling or self._token_pooling, self.token_model)
                Collection.create(folder, self._origin, time.time(), wanted.of(DEFAULTS), tokens)
                durable.put(folder, self._root / name)
            except (OSError, sqlite3.Error) as error:
                shutil.rmtree(folder, ignore_errors=True)
                raise StorageFailed(f"the data folder cannot be written: {error}; nothing was created") from error
            self._collections[name] = self._opened(self._root / name)
            return self._collections[name], True

    def drop(self, name: str) -> int:
        """Delete a collection, and return how many documents it held.

        Raises:
            UnknownCollection: there is none of that name.
            StorageFailed: the folder cannot be written, or is not the one that was opened.
        """
        with self._changing:
            collection = self.get(name, "name", "nothing was dropped; name one of these")
            count = len(collection)
            folder, dropped = self._root / name, self._root / f".dropped-{uuid.uuid4().hex}"
            if collection.in_place:
                collection.settle()  # else its lexical index would be written where the folder was
                try:
                    durable.put(folder, dropped)
                except OSError as error:
                    raise StorageFailed(f"the data folder cannot be written: {error}; nothing was dropped") from error
            elif folder.exists():
                raise StorageFailed(
                    f"{folder} is not the folder that was opened, and nothing was dropped; start the server again to"
                    " use or drop what is there, or move it away"
                )
            else:
                logger.warning("%s was gone before the collection was dropped", folder)
            del self._collections[name]
        collection.discard()
        shutil.rmtree(dropped, ignore_errors=True)  # what is left is removed at the next start
        return count

    def restore(self, snapshot: Snapshot, names: Sequence[str]) -> list[Collection]:
        """Make collections of the copies in a snapshot, and return them: all or none, but where the disk fails.

        Args:
            snapshot: where the copies are.
            names: which; none: all.

        Raises:
            InvalidRequest: another embedder or version made a copy, or it is not as it was made.
            CollectionExists: a collection of that name is there.
            StorageFailed: the disk is full, or fails.
        """
        copies = snapshot.chosen(names)
        self._check_restorable(snapshot, copies)
        made = {copy.name: self._root / f".new-{uuid.uuid4().hex}" for copy in copies}
        try:
            for copy in copies:
                made[copy.name].mkdir()
                snapshot.extract(copy, made[copy.name])
                self._opened(made[copy.name]).close()  # its index is built here, where it is in nobody's way
            with self._changing:
                self._check_restorable(snapshot, copies)
                for name, folder in made.items():
                    durable.put_tree(folder, self._root / name)
                    self._collections[name] = self._opened(self._root / name)
        except StorageError as error:
            raise InvalidRequest("snapshot", snapshot.name, str(error), "restore another snapshot") from error
        except OSError as error:
            raise StorageFailed(f"the data folder cannot be written: {error}; nothing was restored") from error
        finally:
            for folder in made.values():
                shutil.rmtree(folder, ignore_errors=True)
        return [self._collections[copy.name] for copy in copies]

    def _check_restorable(self, snapshot: Snapshot, copies: Sequence[Copy]) -> None:
        for copy in copies:
            if not self._serves(copy.fingerprint):
                limit = (
                    f"{copy.name} was made with {copy.embedder}, fingerprint {copy.fingerprint}, and the embedder is"
                    f" {self._origin.embedder}, fingerprint {self._origin.fingerprint}"
                )
                remedy = "restore it on a server with that embedder, or one that has its bundle in --other-embedders"
                raise InvalidRequest("snapshot", snapshot.name, limit, remedy)
            if copy.name in self._collections:
                raise CollectionExists(
                    f"collections: {copy.name!r} is there already, and nothing was restored; drop it first, or name"
                    " the collections to restore"
                )

    def close(self) -> None:
        """Save and close every collection, and leave the folder to others."""
        with self._changing:
            for collection in self._collections.values():
                collection.close()
            self._collections.clear()
            self._lock.close()

    def _folders(self) -> list[Path]:
        folders = []
        for path in sorted(self._root.iterdir()):
            if path.name.startswith(UNFINISHED):
                shutil.rmtree(path, ignore_errors=True)
            elif path.is_dir() and not path.name.startswith("."):
                folders.append(path)
        return folders

    def _opened(self, folder: Path) -> Collection:
        collection = Collection(folder)
        found, wanted = collection.origin, self._origin
        if not self._serves(found.fingerprint):
            bundle = collection.bundle
            collection.close()
            raise StorageError(
                f"collection {folder.name} in {self._root} was made with {found.embedder}, fingerprint"
                f" {found.fingerprint}, but the embedder is {wanted.embedder}, fingerprint {wanted.fingerprint};"
                f" add its bundle{f', which was at {bundle},' if bundle else ''} with --other-embedders, or choose"
                " another folder with --data and index the documents again"
            )
        return collection

    def _serves(self, fingerprint: str) -> bool:
        return fingerprint == self._origin.fingerprint or fingerprint in self._served


def _check_same(there: Collection, wanted: Wanted) -> None:
    """Refuse choices that are not those of the collection that is there.

    Raises:
        CollectionExists: one of them is another.
    """
    for field, found in (asdict(there.choices) | {"token_pooling": there.token_vectors.pooling}).items():
        if getattr(wanted, field) not in {None, found}:
            raise CollectionExists(
                f"{field}: collection {there.name!r} is there already, with {found} and not {getattr(wanted, field)};"
                " leave it out, or drop the collection first"
            )
