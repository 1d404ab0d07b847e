"""What a model's own configuration says of it: kind, pooling, dense layers, normalization, prefixes, window.

Reads the JSON files that transformers and sentence-transformers write, and refuses by name what a graph of ours does
not compute. Knows no weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from shortlist.server.runtime.manifest import Kind, TextKind

from . import pooling_config, prompts, unserved
from .errors import ExportError
from .late_interaction import layouts
from .late_interaction.described import Described
from .pooling_config import Normalize, Pooling, Step, Truncate
from .source import ADAPTER_CONFIG, Origin, read_json

AS: dict[Kind, str] = {
    "embedder": "an embedder",
    "reranker": "a reranker",
    "late-interaction": "a late-interaction model",
}
_CLASSES: dict[Kind, str] = {"embedder": "SentenceTransformer", "reranker": "CrossEncoder"}
_CLASSIFIES = "SEQ_CLS"
_TASKS: dict[str, Kind] = {_CLASSIFIES: "reranker", "FEATURE_EXTRACTION": "embedder"}
_CLASSIFIER = "ForSequenceClassification"
# sentence-transformers reads the first of them that is there; the others are of its first versions.
_TRANSFORMER = tuple(
    f"sentence_{name}_config.json"
    for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
# What its first module hands to transformers, before and since sentence-transformers 5.
_FOR_TOKENIZER = ("tokenizer_args", "processor_kwargs")
_FOR_CONFIG = ("config_args", "config_kwargs")
_NOT_OURS = ("trust_remote_code", "token", "revision", "cache_dir", "local_files_only", "subfolder")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a model is put together."""

    kind: Kind
    pooling: Pooling | Literal[""] = ""  # of an embedder
    steps: tuple[Step, ...] = ()  # what follows the pooling, in order
    query_prefix: str = ""
    document_prefix: str = ""
    similarity: str = "cosine"  # what the vectors are to be compared by
    given: frozenset[TextKind] = frozenset()  # prefixes that sentence-transformers does not take by itself
    prompts_pooled: bool = True  # whether the tokens of a prefix are pooled with the text's
    window_tokens: int | None = None  # what sentence_bert_config.json says
    lower_case: bool = False  # texts are lower-cased before they are tokenized
    tokenizer_settings: Mapping[str, Any] = field(default_factory=dict)  # for transformers, beside the model's files
    config_settings: Mapping[str, Any] = field(default_factory=dict)  # the same for the transformer's config
    relevant_label: str = ""  # of a reranker's two, where it was asked for
    body: str = ""  # folder of the transformer inside the model's, which old versions of sentence-transformers made
    note: str = ""  # what a person should know of its prompts
    tokens: Described | None = None  # of a late-interaction model, what happens to texts and token vectors
    assumed: bool = False  # no modules.json: mean pooling is sentence-transformers' convention, not the model's word

    @property
    def normalized(self) -> bool:
        """Whether vectors leave the graph with length 1."""
        return bool(self.steps) and isinstance(self.steps[-1], Normalize)


def read(origin: Origin, kind: Literal["auto"] | Kind) -> Layout:
    """Read how a model is put together.

    Args:
        origin: the model's files.
        kind: what the model is to be taken for; auto goes by its configuration.

    Raises:
        ExportError: it is of no kind, or asks for something that cannot be exported; the message names it.
    """
    listed = pooling_config.read(origin)
    body = listed[0]["path"] if listed else ""
    transformer = _transformer(origin, body)
    own = _optional(origin, "config_sentence_transformers.json")
    settled = _kind(origin, listed, transformer, own) if kind == "auto" else kind
    if settled == "late-interaction":
        return _late_interaction(origin, transformer, own, body)
    if not listed or own.get("model_type", _CLASSES["embedder"]) != _CLASSES[settled]:
        # sentence-transformers then reads no file of its own: there is none, or they tell of a model of the other
        # kind, such as the dual encoder that a cross-encoder's adapter was trained on.
        # The window that an adapter was made for is in no file; its base's is taken.
        window = {"max_seq_length": transformer.get("max_seq_length")} if origin.adapter is not None else {}
        listed, transformer, own = [], window, {}
    layout = _transformers_own(origin, settled, transformer, body)
    if settled == "reranker":
        unserved.modules(origin.name, [pooling_config.class_name(entry) for entry in listed], own)
        return layout
    if not listed:
        return replace(layout, pooling="mean", assumed=True)
    return _embedder(origin, layout, listed, own)


def _transformers_own(origin: Origin, kind: Kind, transformer: Any, body: str) -> Layout:
    """Return what sentence-transformers' first module says."""
    unserved.transformer(origin.name, transformer)
    return Layout(
        kind,
        body=body,
        window_tokens=transformer.get("max_seq_length"),
        lower_case=bool(transformer.get("do_lower_case")),
        tokenizer_settings=_passed_on(transformer, _FOR_TOKENIZER),
        config_settings=_passed_on(transformer, _FOR_CONFIG),
    )


def _late_interaction(origin: Origin, transformer: Any, own: Any, body: str) -> Layout:
    """Read a late-interaction model in whichever layout it has.

    Raises:
        ExportError: in none, or only an ONNX graph of it is there, which need not give token vectors.
    """
    if origin.graph:
        raise ExportError(
            f"{origin.name} is taken in from {origin.graph}, but late-interaction models are exported from PyTorch"
            " weights; leave --graph out, and fetch the weights if they are not there"
        )
    found = layouts.read(origin, own, transformer, config(origin, body))
    layout = _transformers_own(origin, "late-interaction", transformer, body)
    return replace(
        layout,
        steps=found.steps,
        query_prefix=found.prefixes.query,
        document_prefix=found.prefixes.document,
        given=found.prefixes.given,
        note=found.prefixes.note,
        # PyLate saves the window of whatever text it read last.
        window_tokens=None if found.described.library == "pylate" else layout.window_tokens,
        tokens=found.described,
    )


def _embedder(origin: Origin, layout: Layout, listed: list[Any], own: Any) -> Layout:
    """Add what follows the transformer, and what goes before texts."""
    types = [pooling_config.class_name(entry) for entry in listed]
    if types[:2] != ["Transformer", "Pooling"]:
        raise ExportError(
            f"{origin.name} begins with the modules {', '.join(types[:2])}; only Transformer, Pooling can be exported"
        )
    pooling = read_json(pooling_config.folder(origin, listed[1]) / "config.json")
    steps: list[Step] = [step for entry in listed[2:] if (step := pooling_config.step(origin, entry)) is not None]
    if own.get("truncate_dim"):
        steps.append(Truncate(own["truncate_dim"]))
    found = prompts.read(own)
    return replace(
        layout,
        pooling=pooling_config.pooling(origin, pooling),
        steps=tuple(steps),
        query_prefix=found.query,
        document_prefix=found.document,
        given=found.given,
        similarity=own.get("similarity_fn_name") or "cosine",
        note=found.note,
        prompts_pooled=pooling.get("include_prompt") is not False,
    )


def config(origin: Origin, body: str = "") -> Any:
    """Return the transformer's own configuration, config.json.

    Raises:
        ExportError: there is none.
    """
    path = origin.folder / body / "config.json"
    if not path.is_file():
        raise ExportError(f"{origin.name} holds no model (neither config.json nor {ADAPTER_CONFIG} is there)")
    return read_json(path)


def _kind(origin: Origin, listed: list[Any], transformer: Any, own: Any) -> Kind:
    task = None if origin.adapter is None else read_json(origin.adapter / ADAPTER_CONFIG).get("task_type")
    path = origin.folder / (listed[0]["path"] if listed else "") / "config.json"
    saved_by = layouts.library(own, read_json(path) if path.is_file() else {})
    if saved_by is not None and task != _CLASSIFIES:
        return "late-interaction"
    if origin.adapter is not None:
        if task in _TASKS:
            return _TASKS[task]
        if task is not None or not listed:
            raise ExportError(
                f"adapter {origin.name} has the task {task}, but only {' and '.join(_TASKS)} can be exported;"
                " say what it is with --kind"
            )
    if listed:
        return "reranker" if transformer.get("transformer_task") == "sequence-classification" else "embedder"
    architecture = (config(origin).get("architectures") or ["model of unknown architecture"])[0]
    if architecture.endswith(_CLASSIFIER):
        return "reranker"
    if architecture.endswith("Model") and not architecture.endswith("HeadModel"):
        return "embedder"
    raise ExportError(
        f"{origin.name} is a {architecture}: neither an embedder (an encoder, or a sentence-transformers folder)"
        f" nor a reranker (...{_CLASSIFIER}), nor saved as a late-interaction model; say what it is with"
        " --kind if it can serve as one"
    )


def _transformer(origin: Origin, body: str) -> Any:
    """Return the configuration of sentence-transformers' first module."""
    found = (_optional(origin, f"{body}/{name}".lstrip("/")) for name in _TRANSFORMER)
    return next((config for config in found if config), {})


def _passed_on(transformer: Any, names: tuple[str, ...]) -> dict[str, Any]:
    passed = {key: value for name in names for key, value in (transformer.get(name) or {}).items()}
    return {key: value for key, value in passed.items() if key not in _NOT_OURS}


def _optional(origin: Origin, name: str) -> Any:
    path = origin.find(name)
    return {} if path is None else read_json(path)
