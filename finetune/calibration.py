"""Scores that mean something: numbers fitted on judged queries, put into the model's head and beside its weights.

A logistic regression of relevance on logit and similarity (Platt's scaling, 1999, with a second number). The sigmoid
of what comes out is how often such a candidate is judged relevant, among candidates such as the embedder finds. What
concerns the logit goes into the last layer's weights, so no format needs to know of it; the similarity's weight is
what the bundle recommends for the final order.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import CrossEncoder
from sklearn.linear_model import LogisticRegression
from torch import nn

from shortlist.server.fusion import Fusion
from shortlist.server.settings import MAX_SIMILARITY_WEIGHT

from . import models
from .errors import FinetuneError
from .models import Floats

_COPY = "modules_to_save"  # where PEFT keeps the weights of a module that an adapter holds whole


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a logit is multiplied by, what is added to it, and how much the similarity counts beside it."""

    factor: float = 1.0
    offset: float = 0.0
    fusion: Fusion = field(default_factory=Fusion)

    def of(self, logits: Floats) -> Floats:
        """Return what a calibrated model says where it said these logits: float32 [pairs]."""
        return np.float32(self.factor) * logits + np.float32(self.offset)


def fit(
    logits: Floats, similarities: Floats, relevant: NDArray[np.bool_], weight: float | None = None
) -> Calibration:
    """Return the calibration under which these judgements are likeliest.

    `weight`, if it is given, is what a similarity of 1 more is worth in logits as they are; else it is fitted, and
    the similarity gets no weight where it says nothing beside the logit. Nothing changes where there is nothing to
    learn from: where all judgements are alike, or relevant candidates have no higher logits than others.
    """
    if relevant.all() or not relevant.any():
        return Calibration()
    center = float(similarities.mean())
    near, none = similarities - np.float32(center), np.zeros_like(similarities)
    if weight is not None:
        factor, _, offset = _regressed(logits + np.float32(weight) * near, none, relevant)
        fitted = weight * factor
    else:
        factor, fitted, offset = _regressed(logits, near, relevant)
        if fitted <= 0:
            factor, fitted, offset = _regressed(logits, none, relevant)
    if factor <= 0:
        return Calibration()
    return Calibration(factor, offset, Fusion(min(fitted, MAX_SIMILARITY_WEIGHT), center) if fitted > 0 else Fusion())


def _regressed(logits: Floats, similarities: Floats, relevant: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return the factors of both, and the offset."""
    found = LogisticRegression(C=np.inf).fit(np.column_stack([logits, similarities]).astype(np.float64), relevant)
    factor, weight = found.coef_[0]
    return float(factor), float(weight), float(found.intercept_[0])


def apply(model: CrossEncoder, calibration: Calibration) -> None:
    """Put what concerns the logit into the last layer of a cross-encoder's head.

    Raises:
        FinetuneError: the head does not end in a linear layer with a bias.
    """
    ends = [
        module
        for name, module in models.inner(model).named_modules()
        if isinstance(module, nn.Linear) and module.out_features == 1 and (_COPY in name) == models.is_adapter(model)
    ]
    if not ends or ends[-1].bias is None:
        raise FinetuneError("the model's head does not end in a linear layer with a bias, so scores stay as they are")
    with torch.no_grad():
        ends[-1].weight.mul_(calibration.factor)
        ends[-1].bias.mul_(calibration.factor).add_(calibration.offset)
