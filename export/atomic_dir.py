"""The folder that a bundle is written to: whole or not at all, and never over somebody else's files."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from shortlist.server.errors import BundleError
from shortlist.server.runtime import bundle, manifest
from shortlist.server.runtime.bundle import Bundle
from shortlist.server.runtime.manifest import FORMAT_VERSION, MANIFEST

from .errors import ExportError


def existing(out: Path) -> Bundle | None:
    """Return the bundle that is at `out` already.

    Raises:
        ExportError: there is something else, which an export would delete.
    """
    if not out.exists():
        return None
    if not out.is_dir():
        raise ExportError(f"{out} is a file; name a folder for the bundle with --out")
    names = {path.name for path in out.iterdir()}
    if not names:
        return None
    try:
        found = bundle.load(out)
    except BundleError as error:
        if _older(out, names):
            return None
        raise ExportError(
            f"{out} holds something else than a bundle of this version ({error}); name another folder with --out"
        ) from error
    if foreign := names - _names(found):
        raise ExportError(
            f"{out} holds {min(foreign)}, which is no part of its bundle; move it, or name another folder"
        )
    return found


def _older(out: Path, names: set[str]) -> bool:
    """Return whether these are the files of a bundle that an older version wrote, and nothing else."""
    if any(Path(name).suffix not in {".json", ".onnx", ".onnx_data"} for name in names):
        return False
    try:
        return manifest.format_version((out / MANIFEST).read_bytes()) < FORMAT_VERSION
    except (OSError, ValueError):
        return False


def intact(found: Bundle) -> bool:
    """Return whether every file of a bundle is as it was written."""
    try:
        for variant in found.manifest.variants:
            found.verify(variant)
    except BundleError:
        return False
    return True


@contextlib.contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """Give a folder beside `out` to write to, which takes its place at the end.

    If the block raises, the folder is deleted and `out` stays as it was.

    Raises:
        ExportError: nothing can be written there.
    """
    _tidy(out)
    draft = out.with_name(f".{out.name}.{os.getpid()}.new")
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    try:
        draft.mkdir(parents=True)
    except OSError as error:
        raise ExportError(f"no bundle can be written to {out} ({error}); name another folder with --out") from error
    try:
        yield draft
        if out.exists():
            out.rename(old)
        try:
            draft.rename(out)
        except OSError:
            if old.exists():
                old.rename(out)
            raise
    finally:
        for folder in (draft, old):
            shutil.rmtree(folder, ignore_errors=True)


def _tidy(out: Path) -> None:
    """Remove the drafts of exports that were killed: each name holds the number of its process."""
    for draft in out.parent.glob(f".{out.name}.*.new"):
        number = draft.name.split(".")[-2]
        if number.isdecimal() and not _runs(int(number)):
            shutil.rmtree(draft, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        pass
    return True


def _names(found: Bundle) -> set[str]:
    variants = found.manifest.variants.values()
    return {MANIFEST, found.manifest.tokenizer.name, *(file.name for entry in variants for file in entry.files)}
