"""TREC run files: rankings as trec_eval, ir_measures and their like read them."""

from collections.abc import Iterable
from pathlib import Path

from shortlist.console.errors import UsageError

from .measures import Rankings


def prepare(folder: Path, queries: Iterable[str]) -> None:
    """Make the folder, and refuse queries that no run file can name.

    Raises:
        UsageError: it cannot be made, or an id has white space, which parts the columns.
    """
    _check(queries)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"run_out {folder} cannot be made: {error.strerror}") from None


def write(folder: Path, name: str, rankings: Rankings) -> None:
    """Write NAME.run: query, Q0, document, rank, score and name, best first.

    The scores count down to 1: readers sort by them, and break ties as they like.

    Raises:
        UsageError: an id has white space, or the file cannot be written.
    """
    for ids in rankings.values():
        _check(ids)
    try:
        with (folder / f"{name}.run").open("w", encoding="utf-8") as stream:
            for query, ids in rankings.items():
                stream.writelines(
                    f"{query} Q0 {one} {rank} {len(ids) + 1 - rank} {name}\n" for rank, one in enumerate(ids, start=1)
                )
    except OSError as error:
        raise UsageError(f"run_out {folder} cannot be written: {error.strerror}") from None


def _check(ids: Iterable[str]) -> None:
    for one in ids:
        if len(one.split()) != 1:
            raise UsageError(f"run_out: {one!r} has white space, and a run file's columns are parted by it")
