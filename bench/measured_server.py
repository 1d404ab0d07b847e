"""A server to measure: the one at an address, or one of its own, for the time of a measurement."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from shortlist.console.connection import Connection
from shortlist.console.errors import UsageError
from shortlist.server.settings import Pairs

from . import local

_OWN = Parameter(group="A server of its own")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredServer(Connection):
    """The settings of the server that is measured."""

    embedder: Annotated[Path | None, _OWN] = None
    """bundle; with it, and reranker, a server is started for the measurement"""
    reranker: Annotated[Path | None, _OWN] = None
    """bundle of the cross-encoder"""
    serve_options: Annotated[Pairs, _OWN] = field(default_factory=dict)
    """settings of that server, such as slots=1,reranker_variant=fp32"""

    def __post_init__(self) -> None:
        """Refuse what no server could be started with.

        Raises:
            UsageError: naming the setting, its value and the limit.
        """
        Connection.__post_init__(self)  # a dataclass with slots is not the class that super() would look for
        if (self.embedder is None) != (self.reranker is None):
            missing = "reranker" if self.reranker is None else "embedder"
            raise UsageError(f"{missing} is not set: a server of one's own needs both bundles")
        if self.serve_options and not self.own_server:
            raise UsageError("serve_options are for a server of one's own: give embedder and reranker too")

    @property
    def own_server(self) -> bool:
        """Whether a server is started for the measurement."""
        return self.embedder is not None

    def check_collection(self, name: str | None) -> None:
        """Refuse a collection on a server that has none.

        Raises:
            UsageError: naming it.
        """
        if name and self.own_server:
            raise UsageError(f"collection is {name!r}, but a server of one's own has none: leave it out")

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """Yield the address of the server; start one before and stop it at the end, if it is one's own.

        Raises:
            UsageError: it ended before it listened; its own message is on standard error.
        """
        if not self.own_server:
            yield self.address
            return
        chosen = {"log_level": "warning", **self.serve_options}
        given = [part for name, value in chosen.items() for part in (f"--{name.replace('_', '-')}", value)]
        with local.fresh("--embedder", str(self.embedder), "--reranker", str(self.reranker), *given) as address:
            yield address
