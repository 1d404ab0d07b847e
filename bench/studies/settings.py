"""What can be set about every study that starts a server."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundles:
    """The two bundles of a server of one's own."""

    embedder: Path = field(metadata={"help": "bundle of the dual encoder"})
    reranker: Path = field(metadata={"help": "bundle of the cross-encoder"})

    @property
    def models(self) -> tuple[str, ...]:
        """The options of `shortlist serve` that name them."""
        return "--embedder", str(self.embedder), "--reranker", str(self.reranker)


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus(Bundles):
    """A server of one's own, and the texts that it is given."""

    corpus: Path = field(metadata={"help": "documents, in any form that `index` reads", "metavar": "FILE"})
    queries: Path = field(metadata={"help": "queries, as JSON lines", "metavar": "FILE"})
