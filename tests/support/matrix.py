"""The models that people bring, as tiny ones of the same shape: the rows of docs/models.md.

A row has what makes its models different: architecture, tokenizer, pooling, what follows it, prefixes and where they
come from. `docs/models.md` says the same for readers, and a test holds the two together.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sentence_transformers.sentence_transformer.modules import Normalize

import tiny_models

_BGE = "Represent this sentence for searching relevant passages: "
# The architectures whose attention onnxruntime fuses into one operator.
FUSED = {"bert", "electra", "roberta", "xlm-roberta"}


@dataclass(frozen=True, slots=True)
class Row:
    """A kind of model."""

    name: str  # as in docs/models.md
    folder: str  # name of one such model, without its owner: what prefixes go by
    family: str  # a key of families.FAMILIES
    kind: Literal["embedder", "reranker"] = "embedder"
    pooling: str = "mean"
    normalized: bool = True
    prompts: dict[str, str] = field(default_factory=dict)  # in the model's own configuration
    prefixes: tuple[str, str] = ("", "")  # what the bundle must have
    tokenizer: str = ""  # the family whose tokenizer it has, if that is not its own
    settings: dict[str, Any] = field(default_factory=dict)  # of its config.json
    real: bool = False  # tested with real weights too

    def make(self, root: Path) -> Path:
        """Save a tiny model of that kind."""
        if self.kind == "reranker":
            return tiny_models.encoder(
                root / self.folder, self.family, labels=["LABEL_0"], tokenizer=self.tokenizer, **self.settings
            )
        return tiny_models.embedder(
            root,
            self.family,
            pooling=self.pooling,
            after=[Normalize()] if self.normalized else [],
            prompts=self.prompts,
            tokenizer=self.tokenizer,
            name=self.folder,
        )

    def told(self) -> list[str]:
        """Return what docs/models.md says of it, column by column."""
        whence = "none" if not any(self.prefixes) else "its configuration" if self.prompts else "by name"
        fused = "yes" if self.family in FUSED else "no"
        tested = "tiny and real" if self.real else "tiny"
        if self.kind == "reranker":
            return [self.name, self.family, fused, tested]
        pooling = f"{self.pooling}, normalized" if self.normalized else self.pooling
        return [self.name, self.family, pooling, whence, fused, tested]


ROWS = (
    Row("MiniLM", "all-MiniLM-L6-v2", "bert", real=True),
    Row(
        "multilingual MiniLM",
        "paraphrase-multilingual-MiniLM-L12-v2",
        "bert",
        normalized=False,
        tokenizer="xlm-roberta",
    ),
    Row("MPNet", "all-mpnet-base-v2", "mpnet"),
    Row("DistilRoBERTa", "all-distilroberta-v1", "roberta"),
    Row("DistilBERT, multi-QA", "multi-qa-distilbert-cos-v1", "distilbert"),
    Row("E5", "e5-small-v2", "bert", prefixes=("query: ", "passage: ")),
    Row(
        "multilingual E5, small",
        "multilingual-e5-small",
        "bert",
        prefixes=("query: ", "passage: "),
        tokenizer="xlm-roberta",
    ),
    Row("multilingual E5", "multilingual-e5-base", "xlm-roberta", prefixes=("query: ", "passage: ")),
    Row("BGE", "bge-small-en-v1.5", "bert", pooling="cls", prefixes=(_BGE, "")),
    Row("BGE-M3, its dense vectors", "bge-m3", "xlm-roberta", pooling="cls"),
    Row("GTE", "gte-small", "bert"),
    Row("GTE ModernBERT", "gte-modernbert-base", "modernbert", pooling="cls", normalized=False),
    Row("ModernBERT Embed", "modernbert-embed-base", "modernbert", prefixes=("search_query: ", "search_document: ")),
    Row(
        "Arctic Embed",
        "snowflake-arctic-embed-s",
        "bert",
        pooling="cls",
        prompts={"query": _BGE},
        prefixes=(_BGE, ""),
    ),
    Row("MiniLM cross-encoder", "ms-marco-MiniLM-L6-v2", "bert", "reranker", real=True),
    Row("ELECTRA cross-encoder", "ms-marco-electra-base", "electra", "reranker"),
    Row("DistilRoBERTa cross-encoder", "stsb-distilroberta-base", "roberta", "reranker"),
    Row("multilingual MiniLM cross-encoder", "mmarco-mMiniLMv2-L12-H384-v1", "xlm-roberta", "reranker"),
    Row("BGE reranker", "bge-reranker-v2-m3", "xlm-roberta", "reranker"),
    Row(
        "GTE reranker, ModernBERT",
        "gte-reranker-modernbert-base",
        "modernbert",
        "reranker",
        settings={"classifier_pooling": "mean"},
    ),
)
