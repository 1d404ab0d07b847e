"""Prove that a full disk costs nothing that was acknowledged: a server on a tmpfs of some megabytes, filled up.

    PYTHONPATH=tests python -m proofs.full_disk --embedder BUNDLE --reranker BUNDLE

Upserts go on until one fails. It must have failed whole, as must those after it and a snapshot; what was
acknowledged must be there, be found and stay so. With room again, writes must go on; and a server that was killed on
the full disk must start again with everything. Mounting wants root, or a container that may.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from shortlist.bench import local
from shortlist.client import Client, Document, ServerError

COLLECTION = "proof"
SIZE_MB = 12
BALLAST_BYTES = 4 << 20
BATCH = 8
_TEXT = "a passage of some length " * 800  # 20 kB


class NotAllowed(Exception):
    """A process that may not mount."""


@contextlib.contextmanager
def small_disk(path: Path) -> Iterator[None]:
    """Mount a disk of some megabytes at an empty folder.

    Raises:
        NotAllowed: this process may not mount.
    """
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "none", str(path)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NotAllowed("there is no mount") from error
    if done.returncode:
        raise NotAllowed(f"no small disk can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


def prove(models: Sequence[str], data: Path) -> int:
    """Run the proof on a small disk, and return how many upserts were acknowledged before it was full.

    Raises:
        AssertionError: something was lost, or a write was done by half.
    """
    ballast = data / "ballast"
    ballast.write_bytes(bytes(BALLAST_BYTES))
    options = [*models, "--data", str(data)]
    with local.start(options) as process:
        with Client(local.address(process), timeout_s=60) as client:
            client.create_collection(COLLECTION)
            calls = _fill(client)
            there = [f"{call}-{number}" for call in range(calls) for number in range(BATCH)]
            for _ in range(3):
                _assert_refused(client, calls)
                _assert_there(client, there)
        process.kill()
    ballast.unlink()
    with local.serving(*options) as address, Client(address, timeout_s=60) as client:
        _assert_there(client, there)
        client.upsert(COLLECTION, _batch(calls))
        _assert_there(client, [*there, *(document.id for document in _batch(calls))])
    return calls


def _batch(call: int) -> list[Document]:
    return [Document(f"{call}-{number}", f"{call} {number} {_TEXT}") for number in range(BATCH)]


def _fill(client: Client) -> int:
    """Upsert until the disk is full, and return how many calls were acknowledged."""
    for call in range(1000):
        if _fails(lambda: client.upsert(COLLECTION, _batch(call))):  # noqa: B023 (called at once)
            return call
    raise AssertionError("the disk is never full")


def _fails(write: Callable[[], object]) -> bool:
    """Return whether a write is refused for the disk; whatever else is wrong is raised."""
    try:
        write()
    except ServerError as error:
        if error.reason != "STORAGE_FAILED":
            raise
        return True
    return False


def _assert_refused(client: Client, call: int) -> None:
    """Check that what does not fit is refused, with the disk's reason, and leaves nothing."""
    assert _fails(lambda: client.upsert(COLLECTION, _batch(call))), "there was room for an upsert"
    assert _fails(lambda: client.create_snapshot("monday")), "there was room for a snapshot"
    assert client.list_snapshots() == ()


def _assert_there(client: Client, ids: Sequence[str]) -> None:
    """Check that the collection holds these documents and no others, and that a search finds them."""
    assert [one.id for one in client.list(COLLECTION, ids_only=True)] == list(ids)
    hits = client.search(COLLECTION, "passage", mode="dense", top_k=1000, include_text=False).hits
    assert sorted(hit.id for hit in hits) == sorted(ids)


def main() -> int:
    """Run the proof."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embedder", required=True, help="bundle of the dual encoder")
    parser.add_argument("--reranker", required=True, help="bundle of the cross-encoder")
    arguments = parser.parse_args()
    models = ("--embedder", arguments.embedder, "--reranker", arguments.reranker, "--log-level", "error")
    with tempfile.TemporaryDirectory() as folder:
        try:
            with small_disk(Path(folder)):
                calls = prove(models, Path(folder))
        except NotAllowed as error:
            print(f"not proved: {error}")
            return 1
    print(
        f"a disk of {SIZE_MB} MB was full after {calls} upserts: writes failed whole, reads went on, nothing was lost"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
