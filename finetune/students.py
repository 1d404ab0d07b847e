"""What can be trained, behind one interface: a cross-encoder, or a late-interaction model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from shortlist.export.source import Origin

from . import models, teachers
from .losses import PairLoss, TokenLoss
from .quality import Judge
from .reading import Examples
from .settings import FinetuneSettings
from .token_model import TokenModel

_PROJECTION = {r"\.1\.linear\.weight$": 3.0}  # it has no weights of a large model to spoil


@dataclass(frozen=True, slots=True)
class Student:
    """A model in training, and what is done with it."""

    model: Any  # sentence-transformers'
    judge: Judge  # by what it would order passages
    loss: nn.Module
    save: Callable[[Path], None]
    faster: Mapping[str, float] = field(default_factory=dict)  # pattern of weights' names -> times the learning rate


def load(settings: FinetuneSettings, base: Origin, sets: Sequence[Examples]) -> Student:
    """Load the model to train, of the kind that is asked for.

    Raises:
        FinetuneError: it cannot be loaded, or cannot become that.
    """
    if settings.kind == "late-interaction":
        own = TokenModel(settings, base, sets)
        judge = partial(teachers.by_late_interaction, own)
        return Student(own.model, judge, TokenLoss(own), own.save, _PROJECTION)
    model = models.student(settings, base)
    return Student(model, partial(models.logits, model), PairLoss(model), partial(models.save, model))
