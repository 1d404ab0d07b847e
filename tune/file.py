"""The settings file that tuning writes and `serve --config` reads: TOML, the table [serve]."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import tomli_w

from shortlist.server import durable
from shortlist.server.errors import SettingsError

Value = str | int | Mapping[str, str]


def text(comments: Sequence[str], settings: Mapping[str, Value]) -> str:
    """Return the file's content.

    Args:
        comments: lines for its top.
        settings: of serve, by name; a mapping becomes a table of its own, where it is not empty.
    """
    head = "".join(f"# {' '.join(line.split())}\n" for line in comments)
    return f"{head}\n{tomli_w.dumps({'serve': {name: value for name, value in settings.items() if value != {}}})}"


def check(path: Path, *, force: bool) -> None:
    """Refuse a path where the file cannot be written.

    Raises:
        SettingsError: a file is there, or no folder for it.
    """
    if path.is_dir() or not path.parent.is_dir():
        what = "a folder" if path.is_dir() else f"in {path.parent}, which is no folder"
        raise SettingsError(f"out is {path}, but that is {what}; name another file")
    if path.exists() and not force:
        raise SettingsError(f"out is {path}, which is there already; replace it with --force, or name another file")


def put(path: Path, content: str, *, force: bool) -> None:
    """Write the file, all of it or nothing.

    Raises:
        SettingsError: it cannot be written, or a file came there meanwhile.
    """
    check(path, force=force)
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(content, encoding="utf-8")
        durable.put(new, path)
    except (OSError, UnicodeEncodeError) as error:
        raise SettingsError(f"out is {path}, but it cannot be written: {error}") from error
    finally:
        new.unlink(missing_ok=True)
