"""A command's settings: one definition for the flag, the environment variable, the TOML key and the help.

A settings class is a frozen dataclass whose fields are keyword-only. The field `queue_tokens` of the command `serve`
is the flag `--queue-tokens`, the variable `SHORTLIST_QUEUE_TOKENS`, and the key `queue_tokens` in the table `[serve]`
of the file that `--config` or `SHORTLIST_CONFIG` names. The first that is given counts, in this order, then the
field's default. A field without a default must be given.

A field's metadata:
    help         what it is for, in a clause
    positional   True: an argument without a flag, taken from the command line only
    metavar      what --help calls the value
    group        the heading under which --help lists it

Types: str, int, float, bool, Path, Literal of strings, tuple[str, ...], tuple[tuple[str, str], ...] (NAME=VALUE, or a
TOML table), and any of them `| None`. A flag may be given once; that of a list may be repeated, and adds to the list.

This module knows no command and no setting, and no command line: that is `command_line.py`'s; `cli/main.py` brings
them together.
"""

import difflib
import tomllib
import typing
from argparse import Namespace
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeVar

from . import values

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Settings = TypeVar("_Settings", bound="DataclassInstance")

PREFIX = "SHORTLIST_"
CONFIG = "config"


class UsageError(Exception):
    """What was given and cannot be used: one line on standard error, exit code 2."""


@dataclass(frozen=True, slots=True)
class Option:
    """One setting."""

    name: str
    kind: Any  # its type, without the `None` of `X | None`
    default: object  # MISSING: it must be given
    help: str
    metavar: str
    group: str
    positional: bool

    @property
    def flag(self) -> str:
        """The flag, or for an argument without one, what --help calls it."""
        return self.metavar if self.positional else f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.name.upper()


def of(settings: "type[DataclassInstance]") -> tuple[Option, ...]:
    """Read the options that a settings class defines, in the order of its fields."""
    return tuple(_options(settings))


def _options(settings: "type[DataclassInstance]") -> Iterator[Option]:
    hints = typing.get_type_hints(settings)
    for field in fields(settings):
        kind = hints[field.name]
        if typing.get_origin(kind) in (typing.Union, UnionType):
            (kind,) = (part for part in typing.get_args(kind) if part is not NoneType)
        positional = field.metadata.get("positional", False)
        yield Option(
            name=field.name,
            kind=kind,
            default=field.default,
            help=field.metadata["help"],
            metavar=field.metadata.get("metavar", field.name.upper() if positional else values.metavar(kind)),
            group=field.metadata.get("group", "arguments" if positional else "settings"),
            positional=positional,
        )


def read(
    settings: type[_Settings],
    command: str,
    given: Namespace,
    *,
    environment: Mapping[str, str],
    tables: Collection[str],
) -> _Settings:
    """Bring the settings of one command together.

    Args:
        settings: the class to make.
        command: whose they are.
        given: what the command's parser found on the command line.
        environment: the variables to read.
        tables: the names of all commands, which a TOML file may have tables for.

    Raises:
        UsageError: a value that cannot be used, naming where it came from; a setting that is missing, or unknown.
    """
    flags = vars(given)
    config = flags.get(CONFIG, environment.get(f"{PREFIX}{CONFIG.upper()}"))
    options = of(settings)
    file = _table(Path(config), command, options, tables) if config else {}
    found: dict[str, object] = {}
    for option in options:
        if option.name in flags:
            found[option.name] = _text(option, option.flag, flags[option.name])
        elif not option.positional and option.variable in environment:
            found[option.name] = _text(option, option.variable, environment[option.variable])
        elif option.name in file:
            found[option.name] = _native(option, f"{config}: [{command}] {option.name}", file[option.name])
        elif option.default is MISSING:
            raise UsageError(
                f"{option.name} is not set; give {option.flag} {option.metavar}, {option.variable},"
                f" or {option.name} under [{command}] in a file named with --{CONFIG}"
            )
    return settings(**found)


def _text(option: Option, source: str, given: str | list[str] | bool) -> object:
    # argparse brings a list for an argument that may come more than once, and a boolean for --x and --no-x.
    if not isinstance(given, str):
        return values.check(option.kind, given)
    try:
        return values.parse(option.kind, given)
    except ValueError as error:
        raise UsageError(f"{source}: {given!r} is not {error}") from None


def _native(option: Option, source: str, given: object) -> object:
    try:
        return values.check(option.kind, given)
    except ValueError as error:
        raise UsageError(f"{source}: {given!r} is not {error}") from None


def _table(path: Path, table: str, options: Sequence[Option], tables: Collection[str]) -> dict[str, object]:
    """Return one table of a TOML file after a look at every name in it."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not TOML: {error}") from None
    for name, value in content.items():
        if name not in tables:
            raise UsageError(f"{path}: there is no command {name!r}{did_you_mean(name, tables)}")
        if not isinstance(value, dict):
            raise UsageError(f"{path}: {name!r} must be a table: write [{name}] above its settings")
    settings: dict[str, object] = content.get(table, {})
    known = [option.name for option in options if not option.positional]
    for name in settings:
        if name not in known:
            raise UsageError(f"{path}: [{table}] has no setting {name!r}{did_you_mean(name, known)}")
    return settings


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return a hint to put behind an unknown name: the nearest known one, or else all."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"
