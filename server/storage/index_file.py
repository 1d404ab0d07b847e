"""The file of a collection's vector index: usearch's own, replaced wholly or not at all, beside its SHA-256.

usearch follows the links of a damaged graph out of its memory, so none is walked before its file's SHA-256 is
compared. That takes a second a gigabyte. So beside it stands what the file system said of the file when it was saved:
where it still says so, nobody wrote it since, and the SHA-256 of a large file may be compared after the start.

usearch keeps Python's lock while it saves: a million vectors stop the whole process for a second. So a large index is
saved by a child, which has it as it was at that moment, while the server goes on; splitting the process takes 40 ms.
"""

import ctypes
import hashlib
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnxruntime  # noqa: F401 (before usearch: usearch 2.26 first makes importing onnxruntime 1.32 a crash)
from usearch.index import Index

from shortlist.server import durable
from shortlist.server.errors import first_line

from .choices import Quantization

_CONNECTIVITY = 16
_EXPANSION_ADD = 128
_DIGEST = ".sha256"
NOT_WHOLE = "its SHA-256 is not the one beside it"
# Reading a file of this size takes a twentieth of a second; saving as many vectors takes as long.
_LARGE_FILE = 64_000_000
_MANY_VECTORS = 20_000
_POLL_SECONDS = 0.02
_PR_SET_PDEATHSIG = 1  # Linux, sys/prctl.h
_STANDARD_FILES = 3
_MOST_BYTES = 500  # of what a child tells of its failure
_CHILD_SECONDS = 300.0  # a child that takes longer hangs, in a lock that another thread held when it was made


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was found in place of an index's file."""

    index: Index | None  # None: nothing that can be used
    fault: str = ""  # why not
    proved: bool = True  # whether its SHA-256 was compared


class IndexFile:
    """The file of an index of vectors, compared by cosine."""

    def __init__(self, path: Path, dimensions: int, quantization: Quantization = "none") -> None:
        """Name the file, which need not be there; without quantization its numbers are float16."""
        self._dtype = "f16" if quantization == "none" else "i8"
        self.path = path
        self._digest = path.with_suffix(_DIGEST)
        self._dimensions = dimensions

    def empty(self) -> Index:
        """Return an index of the same kind without any vectors."""
        return Index(
            ndim=self._dimensions,
            metric="cos",
            dtype=self._dtype,
            connectivity=_CONNECTIVITY,
            expansion_add=_EXPANSION_ADD,
        )

    def load(self) -> Loaded:
        """Return the saved index, or why there is none that can be used: it can be rebuilt."""
        try:
            proved = not self._large() or not self._as_saved()
            if proved and not self.whole():
                return Loaded(None, NOT_WHOLE)
            index = Index.restore(str(self.path), view=False, expansion_add=_EXPANSION_ADD)
        except FileNotFoundError as error:
            return Loaded(None, f"{Path(error.filename).name} is not there")
        except (OSError, RuntimeError, ValueError) as error:
            return Loaded(None, f"it cannot be read: {first_line(error)}")
        if index is None:
            return Loaded(None, "it is no index")
        shape = (index.ndim, index.dtype.name.lower(), index.connectivity)
        if shape != (wanted := (self._dimensions, self._dtype, _CONNECTIVITY)):
            return Loaded(None, f"it is of shape {shape} and not {wanted}")
        return Loaded(index, proved=proved)

    def whole(self) -> bool:
        """Return whether the file has the SHA-256 that it was saved with.

        Raises:
            OSError: one of them cannot be read.
        """
        return self._digest.read_text().split()[0] == _sha256(self.path)

    def write(self, index: Index) -> Callable[[], None]:
        """Begin to replace the file by the index as it is now, and return what ends it: wholly, or not at all.

        Nothing may change the index meanwhile, but from the return on it may.

        Raises:
            OSError, RuntimeError: it cannot be written, as of the function that is returned; the old file stays.
        """
        beside = self.path.with_suffix(".new")  # usearch itself would write onto the old file
        if len(index) < _MANY_VECTORS or sys.platform != "linux":
            index.save(str(beside))
            return lambda: self._put(beside)
        child = _Child(lambda: index.save(str(beside)))

        def end() -> None:
            child.wait()
            self._put(beside)

        return end

    def _put(self, beside: Path) -> None:
        found = _sha256(beside)
        # Between the two, the digest is another file's: a crash there costs a rebuild.
        durable.put(beside, self.path)
        digest_beside = self._digest.with_suffix(".new-digest")
        digest_beside.write_text(" ".join([found, *_stamp(self.path)]))
        durable.put(digest_beside, self._digest)

    def _large(self) -> bool:
        return self.path.stat().st_size >= _LARGE_FILE

    def _as_saved(self) -> bool:
        """Return whether the file system says of the file what it said when it was saved."""
        return self._digest.read_text().split()[1:] == _stamp(self.path)


class _Child:
    """A copy of this process that does one thing and ends."""

    def __init__(self, work: Callable[[], object]) -> None:
        """Begin the work; no other thread may hold a lock that it needs."""
        self._read, write = os.pipe()
        prctl = ctypes.CDLL(None).prctl
        # Signals are the parent's alone: the child would pass them on through what both have open.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self._child = os.fork()
        if self._child == 0:
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            # Files that both have open stay locked for as long as one of them has: those of the lexical indexes, too.
            os.closerange(_STANDARD_FILES, write)
            os.closerange(write + 1, os.sysconf("SC_OPEN_MAX"))
            try:
                work()
                fault = b""
            except Exception as error:  # noqa: BLE001 (whatever it is, the parent tells)
                fault = first_line(error).encode()[:_MOST_BYTES]
            os.write(write, fault)
            os._exit(bool(fault))
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(write)

    def wait(self) -> None:
        """Wait for the end.

        Raises:
            OSError: the work failed, or did not end.
        """
        try:
            end = time.monotonic() + _CHILD_SECONDS
            while (ended := os.waitpid(self._child, os.WNOHANG))[0] == 0:
                if time.monotonic() > end:
                    os.kill(self._child, signal.SIGKILL)
                    os.waitpid(self._child, 0)
                    raise OSError(f"the process that writes it did not end in {_CHILD_SECONDS:.0f} s")
                time.sleep(_POLL_SECONDS)
            if ended[1]:
                fault = os.read(self._read, _MOST_BYTES).decode(errors="replace")
                raise OSError(fault or f"the process that writes it ended with status {ended[1]}")
        finally:
            os.close(self._read)


def _stamp(path: Path) -> list[str]:
    """Return what changes whenever somebody writes a file or puts another in its place."""
    found = path.stat()
    return [str(one) for one in (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)]


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
