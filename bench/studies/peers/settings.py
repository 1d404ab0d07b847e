"""What can be set about a comparison: one definition for flag, environment variable and TOML key."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from shortlist.bench.studies.study import Bundles
from shortlist.server.errors import SettingsError

PEERS = ("infinity", "torch", "onnx", "offline")
LOADS = ("rerank", "embed", "search", "ingest")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeersSettings(Bundles):
    """The settings of one comparison."""

    least: ClassVar = {"rounds": 1, "seconds": 0.01, "passages": 1, "documents": 1}

    embedder_model: str = field(
        metadata={"help": "what the embedder was exported from, for the peers", "metavar": "MODEL"}
    )
    reranker_model: str = field(
        metadata={"help": "what the reranker was exported from, for the peers", "metavar": "MODEL"}
    )
    candidates: Path = field(metadata={"help": "JSON file with lists to rerank: query, and hits with content"})
    collection: Path = field(
        metadata={"help": "folder with corpus, queries and qrels (BEIR): what is searched, and short texts to embed"}
    )
    variant: str = field(
        default="int8-token", metadata={"help": "graph of both bundles that all but PyTorch run", "metavar": "NAME"}
    )
    infinity: Path = field(
        default=Path(".venv-peers/bin/python"), metadata={"help": "Python of the environment that has infinity"}
    )
    only: tuple[str, ...] = field(
        default=PEERS, metadata={"help": "peers to put beside Shortlist", "metavar": "NAME,NAME"}
    )
    loads: tuple[str, ...] = field(default=LOADS, metadata={"help": "what to load them with", "metavar": "NAME,NAME"})
    rounds: int = field(default=3, metadata={"help": "times that all take their turn"})
    seconds: float = field(
        default=5.0, metadata={"help": "length of a turn; a third of it for embed, whose requests are short"}
    )
    passages: int = field(default=50, metadata={"help": "passages in a list to rerank, and candidates of a search"})
    documents: int = field(default=500, metadata={"help": "passages of the collection to search"})

    def __post_init__(self) -> None:
        """Refuse values that nothing can be measured with.

        Raises:
            SettingsError: naming the setting, its value and the limit.
        """
        Bundles.__post_init__(self)  # a dataclass with slots is not the class that super() would look for
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
