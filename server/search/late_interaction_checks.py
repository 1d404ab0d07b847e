"""The rules on what only a server with a late-interaction model can do: modes, models and token vectors."""

from shortlist.server.errors import InvalidRequest, Unsupported, shown
from shortlist.server.runtime.manifest import Kind
from shortlist.server.storage.choices import TokenPooling
from shortlist.server.storage.document import Origin
from shortlist.server.storage.token_vectors import TokenVectors

from .query import Mode

BY_MAXSIM = frozenset[Mode]({"late-interaction", "cascade"})


def mode(asked: Mode, *, served: bool) -> None:
    """Check the mode of a search.

    Raises:
        Unsupported: it orders by MaxSim, and no late-interaction model is served.
    """
    if asked in BY_MAXSIM and not served:
        raise _no_model("mode", f"MODE_{_upper(asked)}", "or use MODE_TWO_STAGE")


def token_vectors(asked: Mode, collection: str, there: TokenVectors, served: str) -> None:
    """Check that a collection's token vectors can be used, if the mode of a search wants them.

    Args:
        asked: the mode.
        collection: its name.
        there: what it has of token vectors.
        served: the fingerprint of the server's late-interaction model.

    Raises:
        InvalidRequest: they cannot.
    """
    if asked not in BY_MAXSIM:
        return
    if not there.wanted:
        limit = f"collection {collection} has no token vectors"
        remedy = "have them made with SetTokenVectors, or use MODE_TWO_STAGE"
    elif there.fingerprint != served:
        limit = f"the token vectors of collection {collection} are of another model ({there.model})"
        remedy = "start the server with that one, have them made anew with SetTokenVectors, or use MODE_TWO_STAGE"
    elif not there.ready:
        limit = f"{there.documents} of {there.of} documents of collection {collection} have token vectors"
        remedy = "wait until Describe says that they are ready, or use MODE_TWO_STAGE meanwhile"
    else:
        return
    raise InvalidRequest("mode", f"MODE_{_upper(asked)}", limit, remedy)


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
