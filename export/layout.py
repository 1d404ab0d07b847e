"""What a model's own configuration says of it: kind, pooling, dense layers, normalization, prefixes, window.

Reads the JSON files that transformers and sentence-transformers write, and refuses by name what a graph of ours does
not compute. Knows no weights.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from shortlist.export.errors import ExportError
from shortlist.export.source import ADAPTER_CONFIG, Origin, read_json
from shortlist.server.bundle import Kind

Pooling = Literal["mean", "cls", "max"]

_POOLINGS: dict[str, Pooling] = {"mean": "mean", "cls": "cls", "max": "max"}
# sentence-transformers before 5.1 wrote one flag a mode.
_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_TASKS: dict[str, Kind] = {"SEQ_CLS": "reranker", "FEATURE_EXTRACTION": "embedder"}
_CLASSIFIER = "ForSequenceClassification"
# What encode_query and encode_document of sentence-transformers look for, in this order.
_QUERY_PROMPTS = ("query",)
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")


@dataclass(frozen=True, slots=True)
class Dense:
    """Be a linear layer after the pooling; its weights lie in `folder`."""

    folder: Path
    inputs: int
    outputs: int
    bias: bool
    activation: str  # path of a torch class, such as "torch.nn.modules.activation.Tanh"


@dataclass(frozen=True, slots=True)
class Normalize:
    """Be the division of a vector by its length."""


Step = Dense | Normalize


@dataclass(frozen=True, slots=True)
class Layout:
    """Say how a model is put together."""

    kind: Kind
    pooling: Pooling | Literal[""] = ""  # empty for a reranker
    steps: tuple[Step, ...] = ()  # what follows the pooling, in order
    query_prefix: str = ""
    document_prefix: str = ""
    prompts_pooled: bool = True  # whether the tokens of a prefix are pooled with the text's
    window_tokens: int | None = None  # what sentence_bert_config.json says
    lower_case: bool = False  # texts are lower-cased before they are tokenized
    body: str = ""  # folder of the transformer inside the model's, which old versions of sentence-transformers made
    assumed: bool = False  # no modules.json: mean pooling is sentence-transformers' convention, not the model's word

    @property
    def normalized(self) -> bool:
        """Whether vectors leave the graph with length 1."""
        return bool(self.steps) and isinstance(self.steps[-1], Normalize)


def read(origin: Origin, kind: Literal["auto", "embedder", "reranker"]) -> Layout:
    """Read how a model is put together.

    Args:
        origin: the model's files.
        kind: what the model is to be taken for; auto goes by its configuration.

    Raises:
        ExportError: it is neither kind, or has a module that cannot be exported; the message names it.
    """
    modules = _modules(origin)
    body = modules[0]["path"] if modules else ""
    transformer = _optional(origin, f"{body}/sentence_bert_config.json".lstrip("/"))
    settled = _kind(origin, modules, transformer) if kind == "auto" else kind
    layout = Layout(
        settled,
        body=body,
        window_tokens=transformer.get("max_seq_length"),
        lower_case=bool(transformer.get("do_lower_case")),
    )
    query_prefix, document_prefix = _prefixes(_optional(origin, "config_sentence_transformers.json"))
    if settled == "reranker":
        if query_prefix or document_prefix:
            raise ExportError(f"{origin.name} is a reranker with prompts ({query_prefix!r}), which is not supported")
        return layout
    if not modules:
        return replace(layout, pooling="mean", assumed=True)
    types = [_type(entry) for entry in modules]
    if types[:2] != ["Transformer", "Pooling"]:
        raise ExportError(
            f"{origin.name} begins with the modules {', '.join(types[:2])}; only Transformer, Pooling can be exported"
        )
    pooling = read_json(_module_folder(origin, modules[1]) / "config.json")
    steps = (_step(origin, entry) for entry in modules[2:])
    return replace(
        layout,
        pooling=_pooling(origin, pooling),
        steps=tuple(step for step in steps if step is not None),
        query_prefix=query_prefix,
        document_prefix=document_prefix,
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


def _kind(origin: Origin, modules: list[Any], transformer: Any) -> Kind:
    if origin.adapter is not None:
        task = read_json(origin.adapter / ADAPTER_CONFIG).get("task_type")
        if task in _TASKS:
            return _TASKS[task]
        if task is not None or not modules:
            raise ExportError(
                f"adapter {origin.name} has the task {task}, but only {' and '.join(_TASKS)} can be exported;"
                " say what it is with --kind"
            )
    if modules:
        return "reranker" if transformer.get("transformer_task") == "sequence-classification" else "embedder"
    architecture = (config(origin).get("architectures") or ["model of unknown architecture"])[0]
    if architecture.endswith(_CLASSIFIER):
        return "reranker"
    if architecture.endswith("Model") and not architecture.endswith("HeadModel"):
        return "embedder"
    raise ExportError(
        f"{origin.name} is a {architecture}: neither an embedder (an encoder, or a sentence-transformers folder)"
        f" nor a reranker (...{_CLASSIFIER}); say what it is with --kind if it can serve as one"
    )


def _modules(origin: Origin) -> list[Any]:
    path = origin.find("modules.json")
    return [] if path is None else list(read_json(path))


def _type(entry: Any) -> str:
    path: str = entry["type"]
    # A class from elsewhere may have the name of one that is known; it keeps its whole path, and is refused.
    return path.rsplit(".", 1)[-1] if path.startswith("sentence_transformers.") else path


def _module_folder(origin: Origin, entry: Any) -> Path:
    path = origin.find(f"{entry['path']}/config.json")
    if path is None:
        raise ExportError(f"{origin.name} misses {entry['path']}/config.json, which its modules.json names")
    return path.parent


def _pooling(origin: Origin, config: Any) -> Pooling:
    mode = config.get("pooling_mode")
    if mode is None:
        mode = [name for flag, name in _FLAGS.items() if config.get(flag)] or ["mean"]
    modes = [mode] if isinstance(mode, str) else list(mode)
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise ExportError(
            f"{origin.name} pools by {' + '.join(modes)}, but only {', '.join(_POOLINGS)} alone can be exported"
        )
    return _POOLINGS[modes[0]]


def _step(origin: Origin, entry: Any) -> Step | None:
    match _type(entry):
        case "Normalize":
            return Normalize()
        case "Dropout":  # does nothing outside training
            return None
        case "Dense":
            folder = _module_folder(origin, entry)
            config = read_json(folder / "config.json")
            names = {config.get(f"module_{end}_name") or "sentence_embedding" for end in ("input", "output")}
            if names != {"sentence_embedding"}:
                raise ExportError(
                    f"{origin.name} has a Dense module on {', '.join(sorted(names))}, not on the embedding"
                )
            activation = config.get("activation_function", "torch.nn.modules.activation.Tanh")
            bias = config.get("bias", True)
            return Dense(folder, config["in_features"], config["out_features"], bias, activation)
        case other:
            raise ExportError(
                f"{origin.name} has the module {other}, which cannot be exported;"
                " Transformer, Pooling, Dense, Normalize and Dropout can"
            )


def _prefixes(config: Any) -> tuple[str, str]:
    prompts: dict[str, str | None] = config.get("prompts") or {}
    default = config.get("default_prompt_name") or ""

    def first(names: tuple[str, ...]) -> str:
        return prompts.get(next((name for name in names if name in prompts), default)) or ""

    return first(_QUERY_PROMPTS), first(_DOCUMENT_PROMPTS)


def _optional(origin: Origin, name: str) -> Any:
    path = origin.find(name)
    return {} if path is None else read_json(path)
