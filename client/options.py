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
TOML table), and any of them `| None`.

This module knows no command and no setting; `cli.py` brings both together.
"""

import difflib
import shutil
import textwrap
import tomllib
import typing
from argparse import SUPPRESS, ArgumentParser, BooleanOptionalAction, Namespace, RawDescriptionHelpFormatter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from shortlist.client import output, values

if TYPE_CHECKING:
    from _typeshed import DataclassInstance, SupportsWrite

_Settings = TypeVar("_Settings", bound="DataclassInstance")

_PREFIX = "SHORTLIST_"
_CONFIG = "config"
_LEAST_COLUMNS, _MOST_COLUMNS = 20, 100
_SOURCES = """\
A setting's default and its environment variable stand behind it. In a TOML file it is a key of the table [{}].
A flag comes before the environment, the environment before the file, the file before the default."""


class UsageError(Exception):
    """Report what was given and cannot be used: one line on standard error, exit code 2."""


@dataclass(frozen=True, slots=True)
class Option:
    """Describe one setting."""

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
        return _PREFIX + self.name.upper()


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


class Parser(ArgumentParser):
    """Parse the command line of one command, and say what is wrong with it in one line."""

    def given(self, arguments: Sequence[str]) -> Namespace:
        """Return what a command line sets; flags may stand before, between and behind arguments."""
        # Python 3.11 loses a `--` where flags may stand between arguments.
        return self.parse_args(arguments) if "--" in arguments else self.parse_intermixed_args(arguments)

    def print_help(self, file: "SupportsWrite[str] | None" = None) -> None:  # noqa: ARG002 (nobody passes one)
        """Print --help; argparse would pass over an error, such as a full disk."""
        output.write(self.format_help().rstrip())

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and exiting."""
        raise UsageError(f"{message}; see `{self.prog} --help`")


def parser(
    command: str, settings: "type[DataclassInstance]", *, description: str, examples: str, program: str = ""
) -> Parser:
    """Make the parser of a command; its values are strings, and only what was given is there.

    Args:
        command: whose it is, and the name of its table in a TOML file.
        settings: what can be set.
        description: what it does.
        examples: of how to call it.
        program: how it is called, if not as `shortlist COMMAND`.
    """
    known = of(settings)
    program = program or f"shortlist {command}"
    result = Parser(
        prog=program,
        usage=_usage(program, known),
        description=_filled(description),
        epilog=f"examples:\n{examples}\n\n{_filled(_SOURCES.format(command))}",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    result.add_argument(
        f"--{_CONFIG}",
        metavar="FILE",
        default=SUPPRESS,
        help=f"TOML file to read settings from [{_PREFIX}{_CONFIG.upper()}]",
    )
    titles = dict.fromkeys(("arguments", "settings", *(option.group for option in known)))
    groups = {title: result.add_argument_group(title) for title in titles}
    for option in known:
        names = [option.name] if option.positional else [option.flag]
        groups[option.group].add_argument(*names, default=SUPPRESS, **_keywords(option))
    return result


def _usage(program: str, known: Sequence[Option]) -> str:
    """Return what must be given; argparse would list every setting once more."""
    required = [f"{one.flag} {one.metavar}" for one in known if one.default is MISSING and not one.positional]
    arguments = [_argument(one) for one in known if one.positional]
    return " ".join([program, *required, "[settings]", *arguments])


def _argument(option: Option) -> str:
    name = f"{option.metavar} ..." if typing.get_origin(option.kind) is tuple else option.metavar
    return name if option.default is MISSING else f"[{name}]"


def _filled(text: str) -> str:
    """Wrap paragraphs to the terminal's width."""
    width = max(_LEAST_COLUMNS, min(shutil.get_terminal_size().columns, _MOST_COLUMNS) - 2)
    return "\n\n".join(textwrap.fill(paragraph, width) for paragraph in text.split("\n\n"))


def _keywords(option: Option) -> dict[str, Any]:
    """Return what argparse is to know of an option, beside its name."""
    text = option.help.replace("%", "%%")
    required = option.default is MISSING
    if option.positional:
        many = typing.get_origin(option.kind) is tuple
        count = ("+" if many else None) if required else ("*" if many else "?")
        return {"metavar": option.metavar, "nargs": count, "help": text}
    default = "required" if required else values.shown(option.default)
    notes = ", ".join(note for note in (default, option.variable) if note)
    keywords = {"dest": option.name, "help": f"{text} [{notes}]"}
    if option.kind is bool:
        return {**keywords, "action": BooleanOptionalAction}
    return {**keywords, "metavar": option.metavar}


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
    config = flags.get(_CONFIG, environment.get(f"{_PREFIX}{_CONFIG.upper()}"))
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
                f" or {option.name} under [{command}] in a file named with --{_CONFIG}"
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
