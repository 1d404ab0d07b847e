"""What can be set about fine-tuning: one definition for flag, environment variable and TOML key.

The docstring below a field is the help text, as in `server/settings.py`. Importing this module needs no extra.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from shortlist.server.settings import MAX_SIMILARITY_WEIGHT, within

_DATA, _LISTS, _TRAINING = Parameter(group="Data"), Parameter(group="Lists"), Parameter(group="Training")
_MODEL = Parameter(metavar="MODEL")
_KINDS = Parameter(n_tokens=-1, metavar="KIND=FACTOR")


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneSettings:
    """The settings of one fine-tuning."""

    base: Annotated[str, _MODEL]
    """where to start: a dual encoder whose body gets a new head, for a reranker also a cross-encoder, or an adapter
    to go on with (model id, folder, PEFT adapter folder, or package:NAME/FOLDER)"""
    kind: Literal["reranker", "late-interaction"] = "reranker"
    """what it becomes: a reranker reads query and passage together, which is accurate and slow; late-interaction
    makes a vector of each token, of a passage before anybody asks, and compares the vectors (ColBERT's MaxSim)"""
    out: Path
    """folder for the weights and the model card; run again to continue"""
    teacher: Annotated[str, _MODEL] = ""
    """dual or cross-encoder whose order is distilled; empty: the embedder's"""
    interaction: Literal["pooled", "late", "ensemble"] | None = None
    """how a dual encoder teaches: pooled (cosine of the texts), late (best match of each query token) or ensemble
    (late, best window of tokens, and BM25); the default is ensemble if it pools by mean, else pooled"""
    embedder: Annotated[str, _MODEL] = ""
    """dual encoder that finds candidates; empty: the base's own weights"""
    full: bool = False
    """train all weights instead of a LoRA adapter"""
    rank: Annotated[int, within(1)] = 32
    """rank of the LoRA matrices of a new adapter"""
    dimensions: Annotated[int, within(2)] = 96
    """elements of a token's vector, of late-interaction: each costs as many bytes a token on disk"""

    sets: Annotated[tuple[str, ...], _DATA, Parameter(metavar="FOLDER[=WEIGHT]")] = ()
    """sets to train on: folders in BEIR's layout (queries.jsonl, corpus.jsonl, qrels.tsv); lists are drawn from each
    in proportion to the weight behind its name, by default its number of queries"""
    pairs: Annotated[tuple[str, ...], _DATA, Parameter(metavar="FILE[=WEIGHT]")] = ()
    """sets in the other layout: JSON lines with query, positive and negatives"""
    kinds: Annotated[dict[str, float], _DATA, Parameter(n_tokens=-1, metavar="KIND=FACTOR")] = field(
        default_factory=dict
    )
    """how likely queries are drawn whose line in queries.jsonl names this `kind`, or SET/KIND; 0 leaves them out, and
    kinds that are not named have 1"""
    held_out: Annotated[int, _DATA, within(1)] = 100
    """queries kept from training and measured, an equal share of each set"""
    outside: Annotated[Path | None, _DATA] = None
    """folder of a collection of another domain (BEIR layout), measured beside the held-out queries"""
    licence: Annotated[str, _DATA] = ""
    """licence of the data, for the model card"""

    lists: Annotated[int, _LISTS, within(0)] = 20_000
    """most lists to train on: one query and its passages each; 0 trains nothing, and calibrates the scores"""
    passages: Annotated[int, _LISTS, within(2)] = 6
    """passages in a list"""
    passage_words: Annotated[int, _LISTS, within(8)] = 50
    """words that a list's documents are cut to, around what answers; half to 1.5 times that"""
    candidates: Annotated[Literal["dense", "bm25", "both"], _LISTS] = "both"
    """what finds a list's passages: dense (embedder), bm25, or both in turns"""
    depth: Annotated[int, _LISTS, within(2)] = 60
    """places of that ranking to take passages from"""
    skip: Annotated[int, _LISTS, within(0)] = 0
    """first places of that ranking that are passed over, where judgements are thin and unjudged answers likely"""
    whole: Annotated[float, _LISTS, within(0, 1)] = 0.2
    """share of lists whose documents are not cut around what answers, but read from their beginning"""
    negated: Annotated[float, _LISTS, within(0, 1)] = 0.05
    """share of labelled lists in which one passage is the positive with what it says denied"""
    unlabelled: Annotated[float, _LISTS, within(0, 1)] = 0.5
    """share of lists that only the teacher judges, mostly without a positive"""
    augment: Annotated[float, _LISTS, within(0, 1)] = 0.5
    """share of queries turned into keywords, a bare task, the answer's title, a beginning or an excerpt"""
    distill: Annotated[float, _LISTS, within(0, 1)] = 0.35
    """weight of the teacher's order where there are labels too"""
    sharpness: Annotated[float, _LISTS, within(0)] = 0.0
    """factor on the teacher's opinions before their softmax; 0: 24 for cosines, 3 for an ensemble's deviations, 1
    for logits"""

    epochs: Annotated[float, _TRAINING, Parameter(validator=Number(gt=0))] = 1.0
    """times to go through the lists"""
    batch_lists: Annotated[int, _TRAINING, within(1)] = 6
    """lists in one step"""
    learning_rate: Annotated[float, _TRAINING, within(0)] = 0.0
    """0: 3e-4 for an adapter, 3e-5 for all weights"""
    max_tokens: Annotated[int, _TRAINING, within(16)] = 192
    """window in training, in tokens: of a pair, or of one text of a late-interaction model, which keeps its base's
    for serving"""
    evaluate_every: Annotated[int, _TRAINING, within(1)] = 100
    """steps between measurements and checkpoints"""
    patience: Annotated[int, _TRAINING, within(1)] = 5
    """measurements without a gain after which training stops"""
    similarity_weight: Annotated[float | None, _TRAINING, within(0, MAX_SIMILARITY_WEIGHT)] = None
    """logits that a similarity of 1 more is worth beside the model's own, before both are calibrated; without it,
    what fits the held-out queries best, which may be too little for texts unlike them"""
    seed: Annotated[int, _TRAINING] = 0
    """of everything that is drawn"""

    @property
    def rate(self) -> float:
        """The learning rate that counts."""
        return self.learning_rate or (3e-5 if self.full else 3e-4)
