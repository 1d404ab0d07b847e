"""The late-interaction model that is trained: a dual encoder's body, and a projection of every token's vector.

    text ▶ tokens ▶ body (LoRA) ▶ projection ▶ length 1 ▶ [punctuation of documents left out] ▶ MaxSim

There are no markers and no query expansion: short queries are read as they are, at the price of their own tokens. The
projection starts as the principal components of the body's own token vectors, so training begins with an order that
is the body's late interaction nearly whole. Saved is what sentence-transformers 6 calls a MultiVectorEncoder; that
version wants transformers 5, which the exporter cannot run beside, so the modules are put together here.
"""

import json
import random
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.util import batch_to_device
from torch import Tensor, nn

from shortlist.export import layout, model
from shortlist.export import pooling_config as described
from shortlist.export.late_interaction import rules
from shortlist.export.layout import Layout
from shortlist.export.silence import quiet
from shortlist.export.source import Origin
from shortlist.server.runtime.manifest import TextKind

from . import models
from .errors import FinetuneError
from .models import Floats
from .reading import Examples
from .settings import FinetuneSettings

_ON = "token_embeddings"
_PUNCTUATION = tuple(string.punctuation)
_COMPONENTS_OF = 800  # texts whose tokens give the principal components, half of them queries
_LIBRARY = "sentence_transformers"
_MASK = {"skiplist_words": list(_PUNCTUATION), "skiplist_tasks": ["document"], "keep_only_token_ids": None}
_NORMALIZE = {"module_input_name": _ON, "module_output_name": _ON}


class TokenModel:
    """A late-interaction model in training, in its adapter if it has one."""

    def __init__(self, settings: FinetuneSettings, origin: Origin, sets: Sequence[Examples]) -> None:
        """Load it.

        Args:
            settings: kind of training, widths and windows.
            origin: a dual encoder, or a late-interaction model of this module's to go on with.
            sets: whose texts give a new projection's principal components.

        Raises:
            FinetuneError: it cannot be loaded, is of another kind, or narrower than its vectors are to be.
        """
        self._layout = _layout(settings, origin)
        try:
            with quiet():
                body: Any = Transformer(
                    str(origin.folder / self._layout.body), model_kwargs={"attn_implementation": "eager"}
                )
        except (OSError, ValueError) as error:
            raise FinetuneError(f"{settings.base} cannot be loaded: {error}") from error
        self._window = body.max_seq_length
        body.max_seq_length = min(settings.max_tokens, self._window or settings.max_tokens)
        body.model = models.prepared(settings, origin, body.model)
        head = Dense(
            body.get_embedding_dimension(),
            settings.dimensions,
            bias=False,
            activation_function=nn.Identity(),
            module_input_name=_ON,
        )
        self.model: Any = SentenceTransformer(modules=[body, head], device=None)
        skipped = rules.skipped("sentence-transformers", body.tokenizer, _PUNCTUATION, "document")
        self._skipped = torch.tensor(skipped, device=self.model.device)
        head.linear.weight.data = self._first(settings, origin, sets).to(self.model.device)

    def vectors(self, texts: Sequence[str], kind: TextKind) -> list[Tensor]:
        """Return the vectors of each text's tokens that count, of length 1: float32 [counted, dimensions]."""
        own = self._layout
        prefix = own.query_prefix if kind == "query" else own.document_prefix
        return [
            nn.functional.normalize(self._projected(states), dim=-1)
            for states in self._states([prefix + text for text in texts], kind)
        ]

    def query_tokens(self, texts: list[str]) -> list[Floats]:
        """Return a query's token vectors, float32 [tokens, dimensions]."""
        return self._read(texts, "query")

    def document_tokens(self, texts: list[str]) -> list[Floats]:
        """Return a document's token vectors, float32 [tokens, dimensions]."""
        return self._read(texts, "document")

    def save(self, out: Path) -> None:
        """Write body and projection as sentence-transformers 6 has them."""
        self.model[0].max_seq_length = self._window
        models.save(self.model, out)
        (out / "1_Dense").mkdir(exist_ok=True)
        self.model[1].save(str(out / "1_Dense"))
        modules = [
            (self._layout.body if models.is_adapter(self.model) else "", "base.modules.transformer.Transformer"),
            ("1_Dense", "base.modules.dense.Dense"),
            ("2_MultiVectorMask", "multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask"),
            ("3_Normalize", "base.modules.normalize.Normalize"),
        ]
        listed = [
            {"idx": place, "name": str(place), "path": path, "type": f"{_LIBRARY}.{kind}"}
            for place, (path, kind) in enumerate(modules)
        ]
        prompts = {"query": self._layout.query_prefix, "document": self._layout.document_prefix}
        own = {"model_type": "MultiVectorEncoder", "prompts": prompts, "similarity_fn_name": "maxsim"}
        _write(out / "modules.json", listed)
        _write(out / "config_sentence_transformers.json", own)
        _write(out / "2_MultiVectorMask" / "config.json", _MASK)
        _write(out / "3_Normalize" / "config.json", _NORMALIZE)

    def _first(self, settings: FinetuneSettings, origin: Origin, sets: Sequence[Examples]) -> Tensor:
        """Return the weights that the projection starts from, float32 [dimensions, width]."""
        if self._layout.kind == "late-interaction":
            return next(model.steps(origin, self._layout.steps).parameters()).detach().clone()
        return self._components(_some_texts(sets, settings.seed))[: settings.dimensions].clone()

    def _components(self, texts: dict[TextKind, list[str]]) -> Tensor:
        """Return the principal directions of the body's token vectors, the widest first: float32 [width, width]."""
        width = self.model[0].get_embedding_dimension()
        moments = torch.zeros(width, width, dtype=torch.float64, device=self.model.device)
        with torch.inference_mode(), models.quickly(self.model.device):
            for kind, some in texts.items():
                for states in self._states(some, kind):
                    found = nn.functional.normalize(states, dim=-1).double()
                    moments += found.T @ found
        directions: Tensor = torch.linalg.eigh(moments).eigenvectors
        return directions.flip(1).T.float()

    def _projected(self, states: Tensor) -> Tensor:
        """Project in float32: what counts are small differences of cosines."""
        with torch.autocast(states.device.type, enabled=False):
            found: Tensor = self.model[1].linear(states)
        return found

    def _states(self, texts: Sequence[str], kind: TextKind) -> list[Tensor]:
        """Return the body's vectors of each text's tokens that count: float32 [counted, width]."""
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        found: dict[int, Tensor] = {}
        for places in models.portions(order):
            tokens = batch_to_device(self.model.preprocess([texts[place] for place in places]), self.model.device)
            ids, counted = tokens["input_ids"], tokens["attention_mask"].bool()
            if kind == "document":
                counted &= ~torch.isin(ids, self._skipped)
            states = self.model[0](tokens)[_ON].float()
            found.update((place, states[row][counted[row]]) for row, place in enumerate(places))
        return [found[place] for place in range(len(texts))]

    def _read(self, texts: list[str], kind: TextKind) -> list[Floats]:
        with torch.inference_mode():
            return [one.cpu().numpy() for one in self.vectors(texts, kind)]


def maxsim(query: Tensor, documents: Sequence[Tensor]) -> Tensor:
    """Return the mean over a query's tokens of the best cosine in each document, as a row that can be learned from.

    Args:
        query: float32 [tokens, dimensions], each of length 1.
        documents: the same of each document.

    Returns:
        float32 [documents].
    """
    with torch.autocast(query.device.type, enabled=False):
        cosines = query @ torch.cat(list(documents)).T
    parts = torch.split(cosines, [len(document) for document in documents], dim=1)
    return torch.stack([part.amax(dim=1).mean() for part in parts])


def _layout(settings: FinetuneSettings, origin: Origin) -> Layout:
    """Read how the base is put together, and refuse what this module does not go on with."""
    found = layout.read(origin, "auto")
    if found.kind == "reranker":
        raise FinetuneError(
            f"{settings.base} is a cross-encoder, whose tokens have seen the other text; name a dual encoder with"
            " --base"
        )
    if found.kind == "embedder":
        width = layout.config(origin, found.body).get("hidden_size")
        if width is not None and width < settings.dimensions:
            raise FinetuneError(
                f"{settings.base} has token vectors of {width} elements, which cannot be projected to"
                f" {settings.dimensions}; lower --dimensions"
            )
        return found
    sides = [] if found.tokens is None else found.tokens.sides.values()
    plain = not any(side.marker or side.filling or side.pooling or side.length for side in sides)
    match found.steps:
        case (described.Dense(bias=False, outputs=dimensions), described.Normalize()) if plain:
            if dimensions == settings.dimensions:
                return found
            raise FinetuneError(
                f"{settings.base} has token vectors of {dimensions} elements, not {settings.dimensions}; give"
                f" --dimensions {dimensions} to go on with it"
            )
    raise FinetuneError(
        f"{settings.base} is a late-interaction model with markers, query expansion or layers that shortlist finetune"
        " does not train; name a dual encoder, or a model that it made, with --base"
    )


def _some_texts(sets: Sequence[Examples], seed: int) -> dict[TextKind, list[str]]:
    """Draw texts, as many of each set."""
    rng = random.Random(seed)  # noqa: S311 (a sample, no secret)
    count = max(1, _COMPONENTS_OF // 2 // len(sets))
    drawn: dict[TextKind, list[str]] = {"query": [], "document": []}
    for one in sets:
        sides: dict[TextKind, dict[str, str]] = {"query": one.queries, "document": one.documents}
        for kind, texts in sides.items():
            drawn[kind] += rng.sample(list(texts.values()), min(count, len(texts)))
    return drawn


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
