"""A command's line: its flags and arguments, its --help, and what is wrong with it in one line.

What can be set stands in a settings class, which `options.py` reads; values stay text here.
"""

import shutil
import textwrap
import typing
from argparse import (
    SUPPRESS,
    Action,
    ArgumentParser,
    BooleanOptionalAction,
    Namespace,
    RawDescriptionHelpFormatter,
)
from collections.abc import Sequence
from dataclasses import MISSING
from typing import TYPE_CHECKING, Any, NoReturn

from . import options, output, values
from .options import CONFIG, PREFIX, Option, UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance, SupportsWrite

_LEAST_COLUMNS, _MOST_COLUMNS = 20, 100
_TOO_MANY = "unrecognized arguments: "  # as argparse says it
_SOURCES = """\
A setting's default and its environment variable stand behind it. In a TOML file it is a key of the table [{}].
A flag comes before the environment, the environment before the file, the file before the default."""


class _Once(Action):
    """A flag with one value, which may be given once; argparse would drop all but the last without a word."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: object, option_string: str | None = None
    ) -> None:
        """Keep the value.

        Raises:
            UsageError: there is one already.
        """
        if hasattr(namespace, self.dest):
            before = getattr(namespace, self.dest)
            parser.error(f"{option_string} is given twice, as {before!r} and as {values!r}; give it once")
        setattr(namespace, self.dest, values)


class _Switch(BooleanOptionalAction):
    """A flag with an opposite, of which one may be given, once."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, _values: object, option_string: str | None = None
    ) -> None:
        """Keep which of the two it is.

        Raises:
            UsageError: it is decided already.
        """
        if hasattr(namespace, self.dest):
            parser.error(f"{option_string} comes after one of {', '.join(self.option_strings)}; give one, once")
        setattr(namespace, self.dest, not str(option_string).startswith("--no-"))


class _Listed(Action):
    """A flag that adds to a list."""

    def __call__(
        self, _parser: ArgumentParser, namespace: Namespace, values: object, _option_string: str | None = None
    ) -> None:
        """Put the values behind those that are there, in the form in which all could have been given at once."""
        before = getattr(namespace, self.dest, "")
        setattr(namespace, self.dest, f"{before},{values}" if before else values)


class Parser(ArgumentParser):
    """The parser of one command's line, which says in one line what is wrong with it."""

    def given(self, arguments: Sequence[str]) -> Namespace:
        """Return what a command line sets; flags may stand before, between and behind arguments."""
        # Python 3.11 loses a `--` where flags may stand between arguments.
        return self.parse_args(arguments) if "--" in arguments else self.parse_intermixed_args(arguments)

    def print_help(self, file: "SupportsWrite[str] | None" = None) -> None:  # noqa: ARG002 (nobody passes one)
        """Print --help; argparse would pass over an error, such as a full disk."""
        output.write(self.format_help().rstrip())

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and exiting."""
        if message.startswith(_TOO_MANY) and not message.removeprefix(_TOO_MANY).startswith("-"):
            message += "; put quotes around several words that are one argument"
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
    known = options.of(settings)
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
        f"--{CONFIG}",
        metavar="FILE",
        default=SUPPRESS,
        action=_Once,
        help=f"TOML file to read settings from [{PREFIX}{CONFIG.upper()}]",
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
        return {**keywords, "action": _Switch}
    action = _Listed if typing.get_origin(option.kind) is tuple else _Once
    return {**keywords, "action": action, "metavar": option.metavar}
