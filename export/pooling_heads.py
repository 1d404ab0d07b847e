"""The modules that are traced: a transformer's body with everything that follows it, up to the last number.

Written out here, since what is traced must be what the server can run in any batch; every export is held against
sentence-transformers, whose modules these are.
"""

from typing import cast

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from shortlist.server.runtime.manifest import OUTPUT

from .pooling_config import Pooling

_SMALLEST_COUNT = 1e-9  # as in sentence-transformers: no division by zero where a text has no token


class EmbeddingHead(nn.Module):
    """Pooling and steps: the tokens' vectors into one a text; without pooling the steps alone."""

    output = OUTPUT["embedder"]

    def __init__(self, pooling: Pooling | None, steps: nn.Module) -> None:
        """Put the parts together; `steps` turns the pooled vectors into what leaves the model."""
        super().__init__()
        self.pooling = pooling
        self.steps = steps

    def forward(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """Return float32 [batch, dimensions]."""
        vectors = hidden if self.pooling is None else pooled(hidden, attention_mask, self.pooling)
        return cast("Tensor", self.steps(vectors))


class TokenHead(nn.Module):
    """Steps on the vector of every token."""

    output = OUTPUT["late-interaction"]

    def __init__(self, steps: nn.Module) -> None:
        """Keep the steps, which turn hidden states into what leaves the model."""
        super().__init__()
        self.steps = steps

    def forward(self, hidden: Tensor, _: Tensor) -> Tensor:
        """Return float32 [batch, sequence, dimensions]."""
        return cast("Tensor", self.steps(hidden))


class LogitHead(nn.Module):
    """One logit of a classifier's labels; of two the difference, whose sigmoid is the softmax's positive."""

    output = OUTPUT["reranker"]

    def __init__(self, positive: int, negative: int | None) -> None:
        """Keep the labels; `negative` is None where there is one."""
        super().__init__()
        self.positive = positive
        self.negative = negative

    def forward(self, logits: Tensor, _: Tensor) -> Tensor:
        """Return [batch] for float32 [batch, labels]."""
        found = logits[:, self.positive]
        return found if self.negative is None else found - logits[:, self.negative]


class Model(nn.Module):
    """A transformer with its head: token ids into a vector a text or a token, or a logit a pair."""

    config: PretrainedConfig  # the exporter reads it
    body: nn.Module

    def __init__(self, body: PreTrainedModel, head: EmbeddingHead | TokenHead | LogitHead) -> None:
        """Put the two together."""
        super().__init__()
        self.config = body.config
        self.body = body
        self.head = head

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return what the head makes, by its name, of int64 inputs, [batch, sequence]."""
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        found = self.body(input_ids=input_ids, attention_mask=attention_mask, **types)
        made = found.logits if isinstance(self.head, LogitHead) else found.last_hidden_state
        return {self.head.output: self.head(made, attention_mask)}


class Residual(nn.Module):
    """A layer whose input is added to its result, projected where it is of another width."""

    def __init__(self, layer: nn.Module, projection: nn.Module) -> None:
        """Put the two together."""
        super().__init__()
        self.layer = layer
        self.projection = projection

    def forward(self, vectors: Tensor) -> Tensor:
        """Return float32 [..., the layer's width]."""
        return cast("Tensor", self.layer(vectors) + self.projection(vectors))


class Normalize(nn.Module):
    """The division of each vector by its length."""

    def forward(self, vectors: Tensor) -> Tensor:
        """Return vectors of length 1."""
        return nn.functional.normalize(vectors, p=2.0, dim=-1)


class Truncate(nn.Module):
    """The cut of each vector to its first elements."""

    def __init__(self, dimensions: int) -> None:
        """Keep so many elements."""
        super().__init__()
        self.dimensions = dimensions

    def forward(self, vectors: Tensor) -> Tensor:
        """Return float32 [..., dimensions]."""
        return vectors[..., : self.dimensions]


def pooled(hidden: Tensor, attention_mask: Tensor, pooling: Pooling) -> Tensor:
    """Make one vector of a text's token vectors, blind to padding.

    Args:
        hidden: float32 [batch, sequence, width].
        attention_mask: int64 [batch, sequence], 0 where a row is padded on its right.
        pooling: how.

    Returns:
        float32 [batch, width].
    """
    mask = attention_mask.unsqueeze(-1).to(hidden.dtype)  # [batch, sequence, 1]
    match pooling:
        case "mean":
            # A product adds up each text in the same order alone and in a stack; onnxruntime's ReduceSum does not.
            total = (mask.transpose(1, 2) @ hidden).squeeze(1)
            return total / mask.sum(dim=1).clamp(min=_SMALLEST_COUNT)
        case "cls":
            return hidden[:, 0]
        case "max":
            return hidden.masked_fill(mask == 0, -torch.inf).amax(dim=1)
