"""The frame of studies: their settings, how one is called, and ends in one line of JSON.

A study shows what people read on standard error while it runs, and prints its outcome as JSON at the end.
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from shortlist.bench import command
from shortlist.console import output

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Settings = TypeVar("_Settings", bound="DataclassInstance")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundles:
    """The two bundles of a server of one's own."""

    embedder: Path
    """bundle of the dual encoder"""
    reranker: Path
    """bundle of the cross-encoder"""

    @property
    def options(self) -> tuple[str, ...]:
        """The options of `shortlist serve` that name them, and have it log warnings alone."""
        return "--embedder", str(self.embedder), "--reranker", str(self.reranker), "--log-level", "warning"


def main(
    name: str, settings: type[_Settings], description: str | None, options: str, run: Callable[[_Settings], int]
) -> int:
    """Run the study `name`, which --help shows with these options; see `command.main`."""
    example = f"python -m shortlist.bench.studies.{name} {options}"
    if issubclass(settings, Bundles):
        example += " \\\n  --embedder .demo/embedder --reranker .demo/reranker"
    return command.main(f"bench.studies.{name}", settings, description, example, run)


def show(line: str) -> None:
    """Show what people read."""
    print(line, file=sys.stderr, flush=True)


def row(told: Mapping[str, object]) -> None:
    """Show the values of one measurement, each behind its name."""
    show("  ".join(f"{name} {_shown(value)}" for name, value in told.items()))


def finish(outcome: Any, code: int = command.OK) -> int:
    """Print the outcome as one line of JSON, and return the exit code."""
    output.write(json.dumps(outcome, default=asdict))
    return code


def _shown(value: object) -> str:
    if isinstance(value, float) and abs(value) < 1000:  # noqa: PLR2004 (four digits)
        return f"{value:.4g}"
    return f"{value:,.0f}" if isinstance(value, int | float) else str(value)
