"""Scores that mean something: a factor and an offset on the logit, fitted on judged queries, put into the head.

This is Platt's scaling (1999): a logistic regression of relevance on the logit. The sigmoid of the new logit is how
often a candidate with that score is judged relevant, among candidates such as the embedder finds. The order stays,
and no format needs to know of it, since both numbers go into the last layer's weights.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import CrossEncoder
from sklearn.linear_model import LogisticRegression
from torch import nn

from . import models
from .errors import FinetuneError
from .models import Floats

_COPY = "modules_to_save"  # where PEFT keeps the weights of a module that an adapter holds whole


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a logit is multiplied by, and what is added to it."""

    factor: float = 1.0
    offset: float = 0.0


def fit(logits: Floats, relevant: NDArray[np.bool_]) -> Calibration:
    """Return the calibration under which these judgements are likeliest.

    It changes nothing where there is nothing to learn from: where all judgements are alike, or relevant candidates
    have no higher logits than others.
    """
    if relevant.all() or not relevant.any():
        return Calibration()
    found = LogisticRegression(C=np.inf).fit(logits[:, None].astype(np.float64), relevant)
    factor, offset = float(found.coef_[0, 0]), float(found.intercept_[0])
    return Calibration(factor, offset) if factor > 0 else Calibration()


def apply(model: CrossEncoder, calibration: Calibration) -> None:
    """Put a calibration into the last layer of a cross-encoder's head.

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
