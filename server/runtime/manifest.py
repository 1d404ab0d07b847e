"""The manifest of a bundle: the one contract between export and server.

It holds everything that the server must know of a model without opening its graphs. `manifest.json` is this module's
structs as JSON. Knows neither onnxruntime nor how a bundle is made.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from shortlist.server.errors import BundleError

FORMAT_VERSION = 3
MANIFEST = "manifest.json"
TOKENIZER = "tokenizer.json"

Kind = Literal["embedder", "reranker", "late-interaction"]
TextKind = Literal["query", "document", "plain"]  # what the prefix hangs on; plain: none is put before the text
LEAST_WINDOW = 8  # special tokens, and at least something between them
Times = dict[str, Annotated[float, Meta(gt=0)]]  # tokens of one item -> nanoseconds a token
OUTPUT: dict[Kind, str] = {"embedder": "embedding", "reranker": "logit", "late-interaction": "token_vectors"}


class File(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the bundle: its name and what it must hold."""

    name: str
    sha256: str
    bytes: int

    @classmethod
    def of(cls, path: Path) -> "File":
        """Describe the file at `path` as it is now."""
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return cls(path.name, digest, path.stat().st_size)


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """The origin of a model's weights."""

    model: str  # model id, or the name of the folder or Python package
    revision: str  # commit of the hub's repository; empty for a folder
    architecture: str  # such as "BertForSequenceClassification"
    weights_sha256: str  # over names, shapes and bytes of all tensors: the same model wherever it lay


class Variant(Struct, frozen=True, forbid_unknown_fields=True):
    """One graph of the bundle, or a way of running one."""

    files: tuple[File, ...]  # the graph first, then its external data
    precision: str  # "fp32", "bf16", "int8, dynamic, per channel", ...
    inputs: tuple[str, ...]  # graph inputs, int64 [batch, sequence] each
    output: str  # "embedding", "logit" or "token_vectors"
    batch_invariant: bool  # False: a result depends on its batch-mates by more than rounding; run one item at a time
    providers: tuple[str, ...]  # execution providers that it is made for: "cpu", "cuda", ...
    parity: dict[str, float]  # what export measured: fp32 against its reference, the others against fp32
    missed: str  # which limits of the gate it is beyond; empty: it passed
    ns_per_token: Times  # by tokens of one item, on one thread of the manifest's processor
    measured_on: str = "cpu"  # execution provider that `parity` of all but fp32 and `ns_per_token` were measured on

    @property
    def passed(self) -> bool:
        """Whether it passed the gate."""
        return not self.missed

    @property
    def batch_exact(self) -> bool:
        """Whether export found results in a batch to be those of single runs to the last bit."""
        return self.parity.get("batch_change_max") == 0


class Expansion(Struct, frozen=True, forbid_unknown_fields=True):
    """The filling up of short texts: each token that is added makes a vector that counts."""

    token: Annotated[int, Meta(ge=0)]
    length: Annotated[int, Meta(ge=1)]  # tokens, up to which a text is filled; longer ones stay as they are
    attended: bool  # whether the text's other tokens see it


class TokenPooling(Struct, frozen=True, forbid_unknown_fields=True):
    """Vectors that are alike, merged into their mean (`token_pooling.py`)."""

    factor: Annotated[float, Meta(ge=1)]  # one vector is left of so many
    protected: Annotated[int, Meta(ge=0)]  # first vectors, which are not merged
    normalized: bool  # whether all of them are divided by their lengths afterwards


class TokenRules(Struct, frozen=True, forbid_unknown_fields=True):
    """How a late-interaction model reads texts of one kind, and which of their token vectors count."""

    max_tokens: Annotated[int, Meta(ge=LEAST_WINDOW)]  # the window: special tokens, marker and expansion included
    marker: Annotated[int, Meta(ge=0)] | None = None  # token put behind the first one, by its id
    expansion: Expansion | None = None
    skipped: tuple[int, ...] = ()  # tokens that are read, and whose vectors do not count: punctuation
    pooling: TokenPooling | None = None


class LateInteraction(Struct, frozen=True, forbid_unknown_fields=True):
    """What happens to texts before a late-interaction model's graph, and to token vectors behind it."""

    layout: Literal["sentence-transformers", "pylate", "stanford"]  # whose files the model was exported from
    similarity: Literal["maxsim", "meanmaxsim"]  # the latter divides by the query's vectors: the same order
    query: TokenRules
    document: TokenRules


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """All that the server must know of a model without opening its graphs."""

    kind: Kind
    source: Source
    max_tokens: Annotated[int, Meta(ge=LEAST_WINDOW)]  # the window: special tokens included; the wider of two
    dimensions: int  # elements of a vector; 0 for a reranker
    pooling: str  # of an embedder "mean", "cls" or "max", else empty. In the graph; here for people
    normalized: bool  # whether the graph ends in a division by the length
    query_prefix: str  # put before a query, empty for most models
    document_prefix: str  # put before a document
    pad_token_id: Annotated[int, Meta(ge=0)]
    tokenizer: File
    variants: dict[str, Variant]
    tools: dict[str, str]  # package -> version that made the bundle
    processor: str  # where the variants were timed
    texts: str  # what they were judged on
    reference: str = "pytorch"  # what export compared with, see `export/reference.py`
    late_interaction: LateInteraction | None = None  # of that kind of model, and of no other
    relevant_label: str = ""  # of a reranker's two labels the one that its logit stands for; in the graph, for people
    similarity_weight: float = 0.0  # of the order that this reranker does best with, see `fusion.py`
    similarity_center: float = 0.0  # the same
    settings: dict[str, str] = field(default_factory=dict)  # what export was asked for: a second run compares
    created_at: str = ""  # ISO 8601, UTC
    format_version: int = FORMAT_VERSION

    def fingerprint(self, variant: str) -> str:
        """Identify the vector space, or the scores, that a variant makes.

        Built from what decides the numbers (weights, tokenizer, window, pooling, prefixes, precision) and from no
        file's bytes, so that exporting the same model again with newer tools keeps a collection valid.
        """
        parts = (
            self.kind,
            self.source.weights_sha256,
            self.tokenizer.sha256,
            self.max_tokens,
            self.pooling,
            self.normalized,
            self.query_prefix,
            self.document_prefix,
            variant,
            self.variants[variant].precision,
            *([self.relevant_label] if self.relevant_label else []),
            *([msgspec.to_builtins(self.late_interaction)] if self.late_interaction else []),
        )
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def __post_init__(self) -> None:
        """Refuse values that no export writes.

        Raises:
            ValueError: naming the field.
        """
        if (self.dimensions > 0) == (self.kind == "reranker"):
            raise ValueError(f"dimensions is {self.dimensions} for kind {self.kind}")
        if (self.late_interaction is None) == (self.kind == "late-interaction"):
            raise ValueError(f"late_interaction is {self.late_interaction} for kind {self.kind}")
        for name, variant in self.variants.items():
            if not variant.files or variant.output != OUTPUT[self.kind]:
                raise ValueError(f"variant {name} has {len(variant.files)} files and the output {variant.output!r}")

    def to_json(self) -> str:
        """Return the manifest as it is written to `manifest.json`."""
        return msgspec.json.format(msgspec.json.encode(self)).decode() + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Parse what `to_json` wrote.

        Raises:
            BundleError: it is not JSON, misses a field or has one too many, or another version wrote it.
        """
        try:
            if (version := format_version(text)) == FORMAT_VERSION:
                return msgspec.json.decode(text, type=cls)
        except (ValueError, RecursionError) as error:
            raise BundleError(
                f"{MANIFEST} is damaged, or not of this version ({error}); export the model again, or use the"
                " shortlist that exported it"
            ) from error
        raise BundleError(
            f"{MANIFEST} has format {version}, this version reads {FORMAT_VERSION};"
            " use the shortlist that exported it, or export the model again"
        )


def prefixed(manifest: Manifest, texts: Sequence[str], kind: TextKind) -> Sequence[str]:
    """Put a model's prefix for this kind of text before each."""
    prefix = {"query": manifest.query_prefix, "document": manifest.document_prefix, "plain": ""}[kind]
    return [prefix + text for text in texts] if prefix else texts


class _Versioned(Struct):
    format_version: int


def format_version(text: str | bytes) -> int:
    """Return the format of any version's manifest.

    Raises:
        ValueError: it is not JSON, or has none.
    """
    return msgspec.json.decode(text, type=_Versioned).format_version
