"""The layouts in which late-interaction models are saved, read: sentence-transformers', PyLate's and Stanford's.

    config_sentence_transformers.json   model_type MultiVectorEncoder: sentence-transformers 6
                                        model_type ColBERT, or a query_prefix: PyLate
    config.json                         architecture HF_ColBERT: Stanford, with artifact.metadata beside it

Each is taken as the library that wrote it runs it. What a graph of ours or the server does not do is refused by name.
"""

import string
from dataclasses import dataclass
from typing import Any

from shortlist.export import pooling_config, prompts
from shortlist.export.errors import ExportError
from shortlist.export.pooling_config import Dense, Normalize, Step
from shortlist.export.prompts import Prompts
from shortlist.export.source import Origin, read_json
from shortlist.server.runtime.manifest import LEAST_WINDOW, TextKind

from .described import Described, Filling, Library, Side, Similarity
from .multi_vector import Modules

_STANFORD = "HF_ColBERT"
_METADATA = "artifact.metadata"
_PUNCTUATION = tuple(string.punctuation)
_ACTIVATION = "torch.nn.modules.linear.Identity"
_NONE = Prompts()
_SIMILARITIES: dict[str, Similarity] = {"maxsim": "maxsim", "meanmaxsim": "meanmaxsim"}
_SAME_ORDER = {"cosine", "l2"}  # of vectors of length 1


@dataclass(frozen=True, slots=True)
class Read:
    """A layout as it was read: what follows the transformer, what goes before texts, and what happens to tokens."""

    steps: tuple[Step, ...]
    described: Described
    prefixes: Prompts = _NONE


def library(own: Any, transformer: Any) -> Library | None:
    """Return which library saved a late-interaction model; None: it is another kind of model.

    Args:
        own: its config_sentence_transformers.json.
        transformer: its config.json.
    """
    if own.get("model_type") == "MultiVectorEncoder":
        return "sentence-transformers"
    if own.get("model_type") == "ColBERT" or "query_prefix" in own:
        return "pylate"
    return "stanford" if _STANFORD in (transformer.get("architectures") or []) else None


def read(origin: Origin, own: Any, transformer: Any, config: Any) -> Read:
    """Read a late-interaction model's files.

    Args:
        origin: they.
        own: config_sentence_transformers.json.
        transformer: the configuration of sentence-transformers' first module.
        config: config.json.

    Raises:
        ExportError: they are of no such model, damaged, or ask for something that cannot be exported.
    """
    try:
        match library(own, config):
            case "sentence-transformers":
                return _sentence_transformers(origin, own, transformer)
            case "pylate":
                return _pylate(origin, own)
            case "stanford":
                return _stanford(origin, config)
            case None:
                raise ExportError(
                    f"{origin.name} is no late-interaction model: neither its config_sentence_transformers.json"
                    f" (model_type MultiVectorEncoder or ColBERT) nor its config.json (architecture {_STANFORD}) says"
                    " so; name a model that was trained for it, or another --kind"
                )
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise ExportError(
            f"{origin.name}: its configuration is damaged ({type(error).__name__}: {error}); fetch the model again"
        ) from error


def _sentence_transformers(origin: Origin, own: Any, transformer: Any) -> Read:
    found = Modules.read(origin, own)
    expansion = transformer.get("query_expansion")
    filling = None
    if expansion is not None:
        filling = Filling(
            _length(origin, "query_expansion.length", expansion.get("length")),
            bool(expansion.get("attend")),
            expansion.get("token") or "",
            cuts=expansion.get("strategy") == "fixed",
        )
        if not found.masked:
            raise ExportError(
                f"{origin.name} expands queries (query_expansion), but has no MultiVectorMask module, without which"
                " what is added does not count; add one, or take query_expansion out of its sentence_bert_config.json"
            )
    lengths = {
        kind: None
        if (asked := transformer.get(f"{kind}_length")) is None
        else _length(origin, f"{kind}_length", asked)
        for kind in ("query", "document")
    }
    query = Side(
        length=lengths["query"],
        filling=filling,
        skipped=found.skipped("query"),
        pooling=found.pooling("query"),
    )
    document = Side(length=lengths["document"], skipped=found.skipped("document"), pooling=found.pooling("document"))
    similarity = _SIMILARITIES.get(own.get("similarity_fn_name") or "maxsim")
    if similarity is None:
        raise ExportError(
            f"{origin.name} was trained for the similarity {own['similarity_fn_name']!r} (similarity_fn_name), but"
            " late interaction is maxsim or meanmaxsim; name a model that was trained for one of these"
        )
    sides: dict[TextKind, Side] = {"query": query, "document": document}
    return Read(found.steps, Described("sentence-transformers", sides, similarity), prompts.read(own))


def _pylate(origin: Origin, own: Any) -> Read:
    """Read what PyLate saves: a transformer and dense layers; that vectors have length 1 goes without saying."""
    listed = pooling_config.read(origin)
    # Whatever else is listed, such as the pooling of the dual encoder that a model was trained from, PyLate drops.
    steps: list[Step] = [
        pooling_config.dense(pooling_config.folder(origin, entry))
        for entry in listed[1:]
        if pooling_config.class_name(entry).rsplit(".", 1)[-1] == "Dense"
    ]
    if not steps:
        raise ExportError(
            f"{origin.name} says that PyLate saved it, but its modules.json lists no Dense module, which makes token"
            " vectors; fetch the model again, with 1_Dense"
        )
    filling = None
    length = _length(origin, "query_length", _given(own, "query_length", 32))
    if _given(own, "do_query_expansion", default=True):
        filling = Filling(length, bool(own.get("attend_to_expansion_tokens")))
    query = Side(_given(own, "query_prefix", "[Q] "), length, filling)
    document = Side(
        _given(own, "document_prefix", "[D] "),
        _length(origin, "document_length", _given(own, "document_length", 180)),
        skipped=tuple(_given(own, "skiplist_words", _PUNCTUATION)),
    )
    default = prompts.default_of(own)
    sides: dict[TextKind, Side] = {"query": query, "document": document}
    return Read((*steps, Normalize()), Described("pylate", sides), Prompts(default, default))


def _stanford(origin: Origin, config: Any) -> Read:
    """Read what Stanford's ColBERT saves: the transformer's weights with the projection among them."""
    path = origin.find(_METADATA)
    if path is None:
        raise ExportError(
            f"{origin.name} is a model of Stanford's ColBERT ({_STANFORD}), but {_METADATA}, which says its markers"
            " and lengths, is not there; fetch the model again with it"
        )
    found = read_json(path)
    for name, taken in (("similarity", _SAME_ORDER), ("interaction", {"colbert"})):
        if (asked := found.get(name)) not in {None, *taken}:
            raise ExportError(
                f"{origin.name} has the {name} {asked!r} ({_METADATA}), but only {' and '.join(sorted(taken))} can be"
                " exported"
            )
    length = _length(origin, "query_maxlen", _given(found, "query_maxlen", 32))
    filling = Filling(length, bool(found.get("attend_to_mask_tokens")))
    query = Side(_given(found, "query_token_id", "[unused0]"), length, filling)
    document = Side(
        _given(found, "doc_token_id", "[unused1]"),
        _length(origin, "doc_maxlen", _given(found, "doc_maxlen", 220)),
        skipped=_PUNCTUATION if _given(found, "mask_punctuation", default=True) else (),
    )
    sides: dict[TextKind, Side] = {"query": query, "document": document}
    width = config.get("hidden_size") or config["dim"]  # DistilBERT's name of it
    projection = Dense(origin.folder, width, _given(found, "dim", 128), bias=False, activation=_ACTIVATION)
    return Read((projection, Normalize()), Described("stanford", sides))


def _given(found: Any, name: str, default: Any) -> Any:
    """Return a setting, or its library's default where it is missing or null."""
    return default if found.get(name) is None else found[name]


def _length(origin: Origin, name: str, value: Any) -> int:
    if type(value) is not int or value < LEAST_WINDOW:
        raise ExportError(
            f"{origin.name} has {name} {value!r}, but a window is a number of tokens, {LEAST_WINDOW} or more; mend"
            " its configuration, or fetch the model again"
        )
    return value
