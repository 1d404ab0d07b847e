"""Command lines, on cyclopts: settings from flags, environment and TOML, and what is wrong with them in one line.

A settings class is a frozen dataclass of keyword-only fields, each with a docstring below it. The field
`queue_tokens` of the command `serve` is the flag `--queue-tokens`, the variable `SHORTLIST_QUEUE_TOKENS`, and the key
`queue_tokens` in the table `[serve]` of the file that `--config` or `SHORTLIST_CONFIG` names. The first that is given
counts, in this order, then the field's default. What a command acts on is no setting: it is a positional argument of
the command's function, and comes from the command line only.

This module knows no command and no setting; how values are read is `values.py`'s.
"""

import difflib
import io
import os
import sys
import textwrap
import tomllib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import MISSING, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Group, Parameter, Token
from cyclopts.argument import ArgumentCollection
from cyclopts.config import Dict, Env
from cyclopts.exceptions import MissingArgumentError, UnusedCliTokensError

from . import ending, output, values
from .errors import UsageError

_LEAST_COLUMNS = 40  # in a few, rich never ends


class Command(App):
    """A command, or a program of several, with examples of how to call it."""

    examples = ""

    def help_print(self, tokens: str | Iterable[str] | None = None, *, console: Any = None) -> None:
        """Print --help; what fails, such as a full disk, is told as everywhere else."""
        output.write(self.page(list(tokens or ()), console))

    def version_print(self, console: Any = None) -> None:
        """Print --version, likewise."""
        console.file = line = io.StringIO()
        super().version_print(console)
        output.write(line.getvalue().rstrip())

    def page(self, tokens: Sequence[str], console: Any) -> str:
        """Return --help; what can be copied from it is not wrapped."""
        _, apps, _ = self.parse_commands(tokens)
        for name in apps[-1]:
            apps[-1][name]  # imports a command, for its summary
        console.width = max(console.width, _LEAST_COLUMNS)
        console.file = page = io.StringIO()
        super().help_print(tokens, console=console)
        return f"{page.getvalue().rstrip()}\n\nExamples:\n{textwrap.indent(getattr(apps[-1], 'examples', ''), '  ')}"


class _Variables(Env):
    """The environment: a variable for each setting, and none for what a command acts on."""

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:  # noqa: ARG002
        """Give settings without a flag the values of their variables.

        Env itself would read SHORTLIST_NO_JSON as if it were SHORTLIST_JSON, and cut lists at spaces.
        """
        for one in arguments:
            variable = self._convert_argument(commands, one)
            if one.index is None and variable in os.environ and not one.tokens:
                one.append(Token(keyword=variable, value=os.environ[variable], source=self.source))


@dataclass(frozen=True, slots=True)
class _File:
    """A TOML file with a table for each command."""

    path: Path
    tables: Collection[str]

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        """Give settings without flag and variable the values of the command's table."""
        (table,) = commands or self.tables
        content = self._content()
        self._check(content, self.tables, "there is no command")
        if isinstance(settings := content.get(table), dict):
            known = [one.keys[-1] for one in arguments if one.keys]
            self._check(settings, known, f"[{table}] has no setting")
        Dict(content, source=str(self.path), root_keys=(table,), use_commands_as_keys=False)(app, commands, arguments)

    def _content(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self.path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"{self.path}: cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{self.path}: is not TOML: {error}") from None

    def _check(self, names: Iterable[str], known: Collection[str], fault: str) -> None:
        for name in names:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
                raise UsageError(f"{self.path}: {fault} {name!r}; {hint}")


def program(name: str, tables: Collection[str], examples: str, **appearance: Any) -> Command:
    """Make the command line of a program, to which commands are added.

    Args:
        name: how it is called.
        tables: the names of the tables that a TOML file may have: of all commands, or of the only one.
        examples: of how to call it, one a line.
        appearance: what else cyclopts' App takes, such as `help`.
    """
    app = command(
        name,
        examples,
        version=lambda: f"shortlist {version('shortlist')}",
        help_format="markdown",
        group_arguments=Group("Arguments", sort_key=0),
        group_parameters=Group("Settings", sort_key=1),
        print_error=False,
        exit_on_error=False,
        suppress_keyboard_interrupt=False,
        result_action="return_value",
        config=(variables := _Variables("SHORTLIST_", command=False, source="the environment")),
        **appearance,
    )

    @app.meta.default
    def start(
        *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        config: Annotated[str, Parameter(metavar="FILE", show_default=False)] = "",
    ) -> Any:
        """Read settings from a file, too.

        Args:
            tokens: the rest of the command line.
            config: TOML file to read settings from; a flag comes before the environment, the environment before the
                file, the file before the default
        """
        app.config = (variables, _File(Path(config), tables)) if config else (variables,)
        return app(tokens)

    return app


def command(name: str, examples: str, **appearance: Any) -> Command:
    """Make a command, to which its function is added.

    Args:
        name: what it is called, and its table in a TOML file.
        examples: of how to call it, one a line.
        appearance: what else cyclopts' App takes.
    """
    made = Command(name=name, **appearance)
    made.examples = examples
    return made


def add(app: Command, settings: type[Any], run: Callable[[Any], int]) -> None:
    """Make what takes settings, and nothing beside them, the function of a command."""

    def start(*, chosen: Any) -> int:
        return run(chosen or settings())

    start.__annotations__["chosen"] = Annotated[settings, FLAT]
    if not any(one.default is MISSING and one.default_factory is MISSING for one in fields(settings)):
        start.__kwdefaults__ = {"chosen": None}  # not made before it is known that nothing is set
    app.default(start)


def argument(text: str) -> Parameter:
    """Return what marks a positional argument, with its help text."""
    return Parameter(help=text, show_env_var=False)


def run(app: Command, arguments: Sequence[str]) -> int:
    """Run what a command line says, and return its exit code.

    Raises:
        UsageError: what was given and cannot be used, naming where it came from.
    """
    if not arguments and app.default_command is None:
        sys.stderr.write(app.page((), app.error_console) + "\n")
        return ending.UNUSABLE
    try:
        return app.meta(list(arguments)) or 0
    except CycloptsError as error:
        error.verbose = False  # else it names our function and its line, too
        chain = " ".join([app.name[0], *(error.command_chain or ())])
        raise UsageError(f"{_said(error)} See `{chain} --help`.") from None


def _said(error: CycloptsError) -> str:
    """Return what is wrong with a command line, in cyclopts' words where those are the right ones."""
    if isinstance(error, UnusedCliTokensError):
        return f"{error} Put quotes around several words that are one argument."
    if isinstance(error, MissingArgumentError) and error.argument is not None and error.keyword is None:
        unknown = next((one for one in error.unused_tokens or () if one.startswith("-")), "")
        return f"{error.argument.name} is missing{f', and there is no {unknown}' if unknown else ''}."
    return str(error)


FLAT = Parameter(name="*", converter=values.read, negative_iterable=(), show_default=values.shown)
"""Marks the parameter of a command's function that takes its settings."""
