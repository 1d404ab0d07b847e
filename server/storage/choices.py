"""What is chosen of a collection when it is made, and holds as long as it is there."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from .analysis import DEFAULT_LANGUAGE, Language, named
from .recall import DEFAULT_TARGET

Quantization = Literal["none", "int8"]
QUANTIZATIONS: tuple[Quantization, ...] = get_args(Quantization)
TokenPooling = Literal["no-vectors", "none", "by-two"]  # of a document's token vectors: none keeps one a token
TOKEN_POOLINGS: tuple[TokenPooling, ...] = get_args(TokenPooling)


@dataclass(frozen=True, slots=True)
class Choices:
    """The choices of one collection."""

    recall_target: float = DEFAULT_TARGET
    language: Language = DEFAULT_LANGUAGE
    quantization: Quantization = "none"  # of the vector index

    def facts(self) -> dict[str, str]:
        """Return what a collection's file has of them."""
        return {name: str(one) for name, one in asdict(self).items()}

    @staticmethod
    def read(facts: Mapping[str, str]) -> "Choices":
        """Return the choices in what a file says of itself.

        Raises:
            KeyError, ValueError: it is damaged.
        """
        quantization = QUANTIZATIONS[QUANTIZATIONS.index(facts["quantization"])]
        return Choices(float(facts["recall_target"]), named(facts["language"]), quantization)


DEFAULTS = Choices()


@dataclass(frozen=True, slots=True)
class Wanted:
    """The choices that a caller made; None: the default, or whatever a collection that is there has."""

    recall_target: float | None = None
    language: Language | None = None
    quantization: Quantization | None = None
    token_pooling: TokenPooling | None = None  # which may be set anew later

    def of(self, there: Choices) -> Choices:
        """Return these choices, and where none was made, those that are there."""
        made = {name: one for name in asdict(there) if (one := getattr(self, name)) is not None}
        return Choices(**(asdict(there) | made))


ANYTHING = Wanted()
