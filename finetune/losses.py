"""The loss of both kinds of model: ListNet's, with forward passes that hold texts of like length.

Padding costs as much as text, so what is read together is sorted by length first; that changes no loss and no
gradient, and a test holds both against sentence-transformers' own ListNetLoss.
"""

from collections.abc import Sequence
from typing import Any

import torch
from sentence_transformers.cross_encoder.losses import ListNetLoss
from sentence_transformers.util import batch_to_device
from torch import Tensor, nn

from . import models
from .token_model import TokenModel, maxsim

_SHARPNESS = 32.0  # of MaxSim divided by the query's tokens, which lies between -1 and 1


def listnet(logits: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
    """Return the mean cross-entropy of lists' target shares and the softmax of their logits (Cao and others, 2007).

    Args:
        logits: float32 [passages] of each list.
        labels: the logarithms of the target shares, float32 [passages] of each list.
    """
    losses = [
        nn.functional.cross_entropy(one[None], target.to(one.device).float().softmax(0)[None])
        for one, target in zip(logits, labels, strict=True)
    ]
    return torch.stack(losses).mean()


class PairLoss(ListNetLoss):
    """That of cross-encoders: the library's reads pairs in the order in which they stand."""

    def forward(
        self, inputs: list[Any], labels: list[Tensor], prompt: str | None = None, task: str | None = None
    ) -> Tensor:
        """Return the mean loss of the lists: queries, their passages, and the logarithms of the target shares."""
        queries, passages = inputs
        pairs = [(query, passage) for query, some in zip(queries, passages, strict=True) for passage in some]
        order = sorted(range(len(pairs)), key=lambda place: sum(map(len, pairs[place])))
        parts = []
        for places in models.portions(order):
            some: Any = [pairs[place] for place in places]
            tokens = self.model.preprocess(some, prompt=prompt, task=task)
            parts.append(self.model(batch_to_device(tokens, self.model.device))["scores"].view(-1))
        logits = torch.cat(parts).float()[torch.argsort(torch.tensor(order)).to(parts[0].device)]
        return listnet(torch.split(logits, [len(some) for some in passages]), labels)


class TokenLoss(nn.Module):
    """That of late-interaction models: a passage's logit is MaxSim, divided by the query's tokens and sharpened."""

    def __init__(self, own: TokenModel) -> None:
        """Keep the model, with its layers as this module's, which the trainer looks through for what it trains."""
        super().__init__()
        self.model = own.model
        self._own = own

    def forward(self, inputs: list[Any], labels: list[Tensor], **_: Any) -> Tensor:
        """Return the mean loss of the lists: queries, their passages, and the logarithms of the target shares."""
        queries, passages = inputs
        # On a GPU the trainer has the whole model's own call computed in bfloat16, which is not what is called here.
        with models.quickly(self.model.device):
            asked = self._own.vectors(queries, "query")
            read = self._own.vectors([passage for some in passages for passage in some], "document")
        rest = iter(read)
        scores = [
            _SHARPNESS * maxsim(query, [next(rest) for _ in some])
            for query, some in zip(asked, passages, strict=True)
        ]
        return listnet(scores, labels)
