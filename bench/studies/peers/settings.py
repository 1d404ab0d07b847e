"""What can be set about a comparison: one definition for flag, environment variable and TOML key."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from shortlist.bench.studies.study import Bundles
from shortlist.server.errors import SettingsError
from shortlist.server.settings import within

PEERS = ("infinity", "torch", "onnx", "offline")
LOADS = ("rerank", "embed", "search", "ingest")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeersSettings(Bundles):
    """The settings of one comparison."""

    embedder_model: Annotated[str, Parameter(metavar="MODEL")]
    """what the embedder was exported from, for the peers"""
    reranker_model: Annotated[str, Parameter(metavar="MODEL")]
    """what the reranker was exported from, for the peers"""
    candidates: Path
    """JSON file with lists to rerank: query, and hits with content"""
    collection: Path
    """folder with corpus, queries and qrels (BEIR): what is searched, and short texts to embed"""
    variant: Annotated[str, Parameter(metavar="NAME")] = "int8-token"
    """graph of both bundles that all but PyTorch run"""
    infinity: Path = Path(".venv-peers/bin/python")
    """Python of the environment that has infinity"""
    only: Annotated[tuple[str, ...], Parameter(metavar="NAME,NAME")] = PEERS
    """peers to put beside Shortlist"""
    loads: Annotated[tuple[str, ...], Parameter(metavar="NAME,NAME")] = LOADS
    """what to load them with"""
    rounds: Annotated[int, within(1)] = 3
    """times that all take their turn"""
    seconds: Annotated[float, within(0.01)] = 5.0
    """length of a turn; a third of it for embed, whose requests are short"""
    passages: Annotated[int, within(1)] = 50
    """passages in a list to rerank, and candidates of a search"""
    documents: Annotated[int, within(1)] = 500
    """passages of the collection to search"""

    def __post_init__(self) -> None:
        """Refuse values that nothing can be measured with.

        Raises:
            SettingsError: naming the setting, its value and the limit.
        """
        if self.documents < self.passages:
            raise SettingsError(
                f"documents is {self.documents}, but a search takes {self.passages} candidates from them;"
                " raise the one or lower passages"
            )
        for name, known in (("only", PEERS), ("loads", LOADS)):
            if unknown := [one for one in getattr(self, name) if one not in known]:
                raise SettingsError(f"{name} names {unknown[0]!r}, but there are {', '.join(known)}")
        if not self.loads:
            raise SettingsError(f"loads is empty; name some of {', '.join(LOADS)}")
