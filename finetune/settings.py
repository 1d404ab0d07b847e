"""What can be set about fine-tuning: one definition for flag, environment variable and TOML key.

The field's metadata is the help text, as in `server/settings.py`. Importing this module needs no extra.
"""

from dataclasses import dataclass, field
from pathlib import Path

from shortlist.server.errors import SettingsError, check_range, check_share

_DATA, _LISTS, _TRAINING = "data", "lists", "training"
_MODEL = "model id, folder, PEFT adapter folder, or package:NAME/FOLDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneSettings:
    """The settings of one fine-tuning."""

    base: str = field(
        metadata={
            "help": f"where to start: a cross-encoder, a dual encoder whose body gets a new head, or an adapter to go"
            f" on with ({_MODEL})",
            "metavar": "MODEL",
        }
    )
    out: Path = field(metadata={"help": "folder for the weights and the model card; run again to continue"})
    teacher: str = field(
        default="",
        metadata={
            "help": "dual or cross-encoder whose order is distilled; empty: the embedder's",
            "metavar": "MODEL",
        },
    )
    interaction: str = field(
        default="",
        metadata={
            "help": "how a dual encoder teaches: pooled (cosine of the texts), late (best match of each query token)"
            " or ensemble (late, best window of tokens, and BM25); empty: ensemble if it pools by mean, else pooled"
        },
    )
    embedder: str = field(
        default="",
        metadata={"help": "dual encoder that finds candidates; empty: the base's own weights", "metavar": "MODEL"},
    )
    full: bool = field(default=False, metadata={"help": "train all weights instead of a LoRA adapter"})
    rank: int = field(default=32, metadata={"help": "rank of the LoRA matrices of a new adapter"})

    queries: Path | None = field(
        default=None, metadata={"help": "queries as JSON lines with _id and text, as BEIR has them", "group": _DATA}
    )
    corpus: Path | None = field(
        default=None, metadata={"help": "documents as JSON lines with _id, title and text", "group": _DATA}
    )
    qrels: Path | None = field(
        default=None,
        metadata={"help": "judgements: query-id, corpus-id, score, with tabs and a header", "group": _DATA},
    )
    pairs: Path | None = field(
        default=None,
        metadata={"help": "instead of these three: JSON lines with query, positive and negatives", "group": _DATA},
    )
    held_out: int = field(default=100, metadata={"help": "queries kept from training and measured", "group": _DATA})
    outside: Path | None = field(
        default=None,
        metadata={
            "help": "folder of a collection of another domain (BEIR layout), measured beside the held-out queries",
            "group": _DATA,
        },
    )
    licence: str = field(default="", metadata={"help": "licence of the data, for the model card", "group": _DATA})

    lists: int = field(
        default=20_000, metadata={"help": "most lists to train on: one query and its passages each", "group": _LISTS}
    )
    passages: int = field(default=6, metadata={"help": "passages in a list", "group": _LISTS})
    passage_words: int = field(
        default=50,
        metadata={
            "help": "words that a list's documents are cut to, around what answers; half to 1.5 times that",
            "group": _LISTS,
        },
    )
    candidates: str = field(
        default="both",
        metadata={"help": "what finds a list's passages: dense (embedder), bm25, or both in turns", "group": _LISTS},
    )
    depth: int = field(default=60, metadata={"help": "places of that ranking to take passages from", "group": _LISTS})
    unlabelled: float = field(
        default=0.5,
        metadata={"help": "share of lists that only the teacher judges, mostly without a positive", "group": _LISTS},
    )
    augment: float = field(
        default=0.5,
        metadata={"help": "share of queries turned into keywords, a beginning or an excerpt", "group": _LISTS},
    )
    distill: float = field(
        default=0.35,
        metadata={"help": "weight of the teacher's order where there are labels too", "group": _LISTS},
    )
    sharpness: float = field(
        default=0.0,
        metadata={
            "help": "factor on the teacher's opinions before their softmax; 0: 24 for cosines, 3 for an ensemble's"
            " deviations, 1 for logits",
            "group": _LISTS,
        },
    )

    epochs: float = field(default=1.0, metadata={"help": "times to go through the lists", "group": _TRAINING})
    batch_lists: int = field(default=6, metadata={"help": "lists in one step", "group": _TRAINING})
    learning_rate: float = field(
        default=0.0, metadata={"help": "0: 3e-4 for an adapter, 3e-5 for all weights", "group": _TRAINING}
    )
    max_tokens: int = field(default=192, metadata={"help": "window of a pair, in tokens", "group": _TRAINING})
    evaluate_every: int = field(
        default=100, metadata={"help": "steps between measurements and checkpoints", "group": _TRAINING}
    )
    patience: int = field(
        default=5, metadata={"help": "measurements without a gain after which training stops", "group": _TRAINING}
    )
    seed: int = field(default=0, metadata={"help": "of everything that is drawn", "group": _TRAINING})

    def __post_init__(self) -> None:
        """Refuse values that nothing can be trained with.

        Raises:
            SettingsError: naming the setting, its value and the limit.
        """
        beir = (self.queries, self.corpus, self.qrels)
        given = sum(path is not None for path in beir)
        if given != (len(beir) if self.pairs is None else 0):
            raise SettingsError("data is incomplete or twofold; give queries, corpus and qrels, or only pairs")
        least: dict[str, float] = {
            "rank": 1,
            "held_out": 1,
            "lists": 1,
            "passages": 2,
            "passage_words": 8,
            "depth": 2,
            "batch_lists": 1,
            "max_tokens": 16,
            "evaluate_every": 1,
            "patience": 1,
            "sharpness": 0,
            "learning_rate": 0,
        }
        for name, minimum in least.items():
            check_range(name, getattr(self, name), minimum)
        for name in ("unlabelled", "augment", "distill"):
            check_share(name, getattr(self, name))
        if self.interaction not in {"", "pooled", "late", "ensemble"}:
            raise SettingsError(
                f"interaction is {self.interaction!r}; give pooled, late or ensemble, or leave it empty"
            )
        if self.candidates not in {"dense", "bm25", "both"}:
            raise SettingsError(f"candidates is {self.candidates!r}; give dense, bm25 or both")
        if self.epochs <= 0:
            raise SettingsError(f"epochs is {self.epochs}, but it must be more than 0")

    @property
    def rate(self) -> float:
        """The learning rate that counts."""
        return self.learning_rate or (3e-5 if self.full else 3e-4)
