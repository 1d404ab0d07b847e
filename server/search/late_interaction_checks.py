"""The rules on what only a server with a late-interaction model can do: modes, models and token vectors."""

from shortlist.server.errors import InvalidRequest, Unsupported, shown
from shortlist.server.runtime.manifest import Kind
from shortlist.server.storage.choices import TokenPooling
from shortlist.server.storage.document import Origin

from .query import Mode


def mode(asked: Mode) -> None:
    """Check the mode of a search.

    Raises:
        Unsupported: it orders by MaxSim.
    """
    if asked in {"late-interaction", "cascade"}:
        raise _no_model("mode", f"MODE_{_upper(asked)}", "or use MODE_TWO_STAGE")


def scorer(model: Kind, *, served: bool) -> None:
    """Check the model that is to score texts beside a query.

    Raises:
        InvalidRequest: it reads no pairs of texts.
        Unsupported: it is the late-interaction model, and none is served.
    """
    if model == "embedder":
        limit = "it scores no text beside a query"
        raise InvalidRequest("model", "MODEL_EMBEDDER", limit, "use MODEL_RERANKER, or Embed and compare vectors")
    tokenizer(model, served=served)


def tokenizer(model: Kind, *, served: bool) -> None:
    """Check the model whose tokens are asked for.

    Raises:
        Unsupported: it is the late-interaction model, and none is served.
    """
    if model == "late-interaction" and not served:
        raise _no_model("model", "MODEL_LATE_INTERACTION", "or name another model")


def token_pooling(asked: TokenPooling | None, model: Origin | None) -> None:
    """Check how many vectors of its tokens a document is to have; None: the server's default.

    Raises:
        Unsupported: it is to have some, and there is no model that makes them.
    """
    if model is None and asked not in {None, "no-vectors"}:
        raise _no_model("token_pooling", f"TOKEN_POOLING_{_upper(asked)}", "or use TOKEN_POOLING_NO_VECTORS")


def set_token_vectors(asked: TokenPooling | None, model: Origin | None) -> TokenPooling:
    """Return how many vectors of its tokens a document of a collection that is there is to have.

    Raises:
        InvalidRequest: it is not said.
        Unsupported: as `token_pooling`.
    """
    if asked is None:
        remedy = "name one; TOKEN_POOLING_NO_VECTORS drops what is there"
        raise InvalidRequest("token_pooling", "TOKEN_POOLING_UNSPECIFIED", "it must be set", remedy)
    token_pooling(asked, model)
    return asked


def _no_model(field: str, value: str, otherwise: str) -> Unsupported:
    remedy = f"start the server with --late-interaction BUNDLE, {otherwise}"
    return Unsupported(f"{field}: got {shown(value)}, but the server has no late-interaction model; {remedy}")


def _upper(name: str) -> str:
    """Return a plain name as the proto spells it."""
    return name.upper().replace("-", "_")
