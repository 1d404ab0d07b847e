"""`shortlist key`: make an API key, and the line by which a server knows it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from shortlist.console import command_line, output
from shortlist.console.errors import UsageError
from shortlist.server.access import keys
from shortlist.server.errors import SettingsError

_FOR_OWNER = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySettings:
    """The settings of `shortlist key`."""

    right: Literal["read", "write", "admin"] = "read"
    """read: search, read documents, embed and rerank; write: also change documents and make collections; admin: also
    drop collections, and make and restore snapshots"""
    collections: Annotated[tuple[str, ...], Parameter(metavar="NAME,NAME")] = ()
    """collections that the key is for; one that ends in * is for all that begin so; default: all"""
    key_file: Annotated[Path | None, Parameter(metavar="FILE")] = None
    """add the line to this file, which `shortlist serve --key-file` reads, and print the key alone"""


COMMAND = command_line.command(
    "key",
    """\
shortlist key new app
shortlist key new app --right write --collections "notes,team-*" --key-file /etc/shortlist/keys""",
)


@COMMAND.default
def run(
    action: Annotated[Literal["new"], command_line.argument("what to do")],  # noqa: ARG001 (there is one)
    name: Annotated[str, command_line.argument("what the key is called in numbers, logs and refusals")],
    /,
    *,
    settings: Annotated[KeySettings, command_line.FLAT] = KeySettings(),
) -> int:
    """Make an API key.

    The key is printed once and kept nowhere: give it to its caller, such as in the variable SHORTLIST_API_KEY. The
    line behind it is for the server, which knows the key by its SHA-256. To change a key, add another line of the
    same name, have callers change, and take the old line out; the server reads the file again by itself.
    """
    try:
        secret, kept = keys.make(name, keys.RIGHTS[settings.right], settings.collections)
    except SettingsError as error:
        raise UsageError(str(error)) from None
    if settings.key_file is None:
        output.write(f"{secret}\n{kept.line()}")
        return 0
    _add(settings.key_file, kept.line())
    output.write(secret)
    return 0


def _add(path: Path, line: str) -> None:
    """Add a line to a file, which only its owner may read if it is new.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        with os.fdopen(
            os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, _FOR_OWNER), "r+", encoding="utf-8"
        ) as file:
            before = file.read()
            file.write(f"{line}\n" if not before or before.endswith("\n") else f"\n{line}\n")
    except OSError as error:
        raise UsageError(f"key_file {path}: cannot be written: {error.strerror}") from None
