"""What can be set about every study that starts a server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from shortlist.server.errors import check_range


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundles:
    """The two bundles of a server of one's own, and the least values of a study's other settings."""

    least: ClassVar[Mapping[str, float]] = {}

    embedder: Path = field(metadata={"help": "bundle of the dual encoder"})
    reranker: Path = field(metadata={"help": "bundle of the cross-encoder"})

    def __post_init__(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            UsageError, SettingsError: naming the setting, its value and the limit.
        """
        for name, least in self.least.items():
            check_range(name, getattr(self, name), least)

    @property
    def models(self) -> tuple[str, ...]:
        """The options of `shortlist serve` that name them."""
        return "--embedder", str(self.embedder), "--reranker", str(self.reranker)


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus(Bundles):
    """A server of one's own, and the texts that it is given."""

    corpus: Path = field(metadata={"help": "documents, in any form that `index` reads", "metavar": "FILE"})
    queries: Path = field(metadata={"help": "queries, as JSON lines", "metavar": "FILE"})
