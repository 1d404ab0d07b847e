"""The settings file that tuning writes and `serve --config` reads: TOML, the table [serve]."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from shortlist.server import durable
from shortlist.server.errors import SettingsError

Value = str | int | Mapping[str, str]


def text(comments: Sequence[str], settings: Mapping[str, Value]) -> str:
    """Return the file's content.

    Args:
        comments: lines for its top.
        settings: of serve, by name; a mapping becomes a table of its own, where it is not empty.
    """
    plain = [f"{name} = {_value(value)}" for name, value in settings.items() if not isinstance(value, Mapping)]
    lines = [*(f"# {' '.join(line.split())}" for line in comments), "", "[serve]", *plain]
    for name, table in settings.items():
        if isinstance(table, Mapping) and table:
            lines += ["", f"[serve.{name}]", *(f"{_value(key)} = {_value(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


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


def _value(value: str | int) -> str:
    # TOML's strings are JSON's, but for DEL, which only TOML wants escaped.
    return str(value) if isinstance(value, int) else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
