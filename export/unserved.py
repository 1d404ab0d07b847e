"""What a model's configuration asks for and the server does not do: refused by name, before anything takes time.

Each would leave a bundle that computes the right numbers of another text, or orders by another measure, without an
error.
"""

from typing import Any

from . import prompts
from .errors import ExportError

# Of vectors of length 1 the largest inner product and the least distance are the largest cosine.
_SAME_AT_LENGTH_1 = {"dot", "euclidean"}
_TAKEN = ("last_hidden_state", "logits")  # an embedder's, a reranker's


def similarity(name: str, asked: str, *, normalized: bool) -> None:
    """Refuse an embedder whose vectors are not to be compared by cosine.

    Args:
        name: the model's.
        asked: the measure that it was trained for.
        normalized: whether its vectors have length 1.

    Raises:
        ExportError: naming the measure.
    """
    if asked == "cosine" or (normalized and asked in _SAME_AT_LENGTH_1):
        return
    raise ExportError(
        f"{name} was trained for the similarity {asked!r} (similarity_fn_name), but the server orders by cosine;"
        " name a model for cosine, or give --similarity cosine and take the loss"
    )


def modules(name: str, found: list[str], config: Any) -> None:
    """Refuse a reranker that is more than a transformer, or puts a prompt before each query.

    Args:
        name: the model's.
        found: its modules' types.
        config: its config_sentence_transformers.json.

    Raises:
        ExportError: naming the module or the prompt.
    """
    if found[1:]:
        raise ExportError(
            f"{name} is a reranker with the module {found[1]} behind its transformer; only the"
            " transformer's own head can be exported"
        )
    if default := prompts.default_of(config):
        raise ExportError(
            f"{name} is a reranker with a default prompt ({default!r}), which the server does not put before a query;"
            " take default_prompt_name out of config_sentence_transformers.json, and let callers send it"
        )


def transformer(name: str, config: Any) -> None:
    """Refuse settings of sentence-transformers' first module.

    Args:
        name: the model's.
        config: its sentence_bert_config.json.

    Raises:
        ExportError: naming the setting.
    """
    if found := config.get("processing_kwargs"):
        raise ExportError(
            f"{name} sets how texts are tokenized at each call (processing_kwargs {found!r}), which the server does"
            " not; move it into the tokenizer's own configuration"
        )
    ways = config.get("modality_config") or {}
    if "message" in ways:
        raise ExportError(f"{name} reads texts as chat messages (modality_config), which the server does not make")
    taken = (ways.get("text") or {}).get("method_output_name")
    if taken not in (None, *_TAKEN, *([each] for each in _TAKEN)):
        raise ExportError(
            f"{name} takes {taken!r} of its transformer (modality_config), but only {' and '.join(_TAKEN)} can be"
            " exported"
        )
