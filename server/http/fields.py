"""The fields of a JSON body as clients really send them, to plain values.

Much is taken and nothing is guessed: null is the same as absent, a boolean or a number may come as a string, a text
as an object that holds one, and fields that nobody reads are passed over. A value of another type is refused by name;
whether it is within its limits is the pipeline's to say.
"""

import contextlib
from collections.abc import Mapping
from typing import Any, TypeAlias, TypeVar

from shortlist.server.errors import InvalidRequest
from shortlist.server.runtime.manifest import TextKind
from shortlist.server.runtime.tokens import Truncation

Body: TypeAlias = dict[str, Any]
_Value = TypeVar("_Value")

_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_TRUNCATIONS: dict[str, Truncation | None] = {
    "true": None,
    "false": "none",
    "none": "none",
    "start": "start",
    "end": "end",
}
_SIDES: dict[str, Truncation] = {"left": "start", "right": "end"}
_KIND_FIELDS = ("input_type", "prompt_name", "task")  # Cohere's and Voyage's, TEI's, Jina's


def body(value: Any, field: str = "body") -> Body:
    """Return a body, or a field of one, that is a JSON object.

    Raises:
        InvalidRequest: it is another value.
    """
    if not isinstance(value, dict):
        raise InvalidRequest(field, value, "it must be a JSON object", 'send one, such as {"query": ...}')
    return value


def text(body: Body, name: str) -> str:
    """Return a text; an empty one where there is none.

    Raises:
        InvalidRequest: it is no text.
    """
    value = body.get(name)
    return "" if value is None else one_text(value, name)


def one_text(value: Any, field: str) -> str:
    """Return a text that may come as an object that holds one.

    Raises:
        InvalidRequest: it is no text.
    """
    found = value.get("text") if isinstance(value, dict) else value
    if not isinstance(found, str):
        raise InvalidRequest(
            field, value, "it must be a text, or an object with a text in its field text", "send one"
        )
    return found


def items(body: Body, name: str) -> list[Any]:
    """Return a list, or a single text as a list of one; an empty one where there is none.

    Raises:
        InvalidRequest: it is neither.
    """
    value = body.get(name)
    if isinstance(value, str):
        return [value]
    if value is not None and not isinstance(value, list):
        raise InvalidRequest(name, value, "it must be a list of texts", "send one")
    return value or []


def texts(body: Body, name: str) -> list[str]:
    """Return a list of texts.

    Raises:
        InvalidRequest: it is none.
    """
    return [one_text(value, f"{name}[{index}]") for index, value in enumerate(items(body, name))]


def flag(body: Body, name: str, *, default: bool = False) -> bool:
    """Return whether something is asked for.

    Raises:
        InvalidRequest: it is neither true nor false, nor the word for it.
    """
    return choice(body, name, _FLAGS, default)


def number(body: Body, name: str) -> int | None:
    """Return a whole number, or None where there is none.

    Raises:
        InvalidRequest: it is another value.
    """
    value = body.get(name)
    if value is None:
        return None
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        if not isinstance(value, bool) and (isinstance(value, str) or value == int(value)):
            return int(value)
    raise InvalidRequest(name, value, "it must be a whole number", "send one, or leave it out")


def choice(body: Body, name: str, choices: Mapping[str, _Value], default: _Value) -> _Value:
    """Return what a word stands for, in whatever case it is written.

    Raises:
        InvalidRequest: it is none of the words.
    """
    value = body.get(name)
    if value is None:
        return default
    if (word := str(value).lower()) not in choices:
        raise InvalidRequest(name, value, f"it must be one of {', '.join(choices)}", "leave it out for the default")
    return choices[word]


def truncation(body: Body) -> Truncation | None:
    """Return where a text is to be cut that does not fit; None where that is left to the model.

    Voyage says `truncation`, TEI `truncate` and `truncation_direction`, Cohere and NVIDIA `truncate` with the end
    that is cut off, vLLM `truncation_side`.

    Raises:
        InvalidRequest: it is none of their words.
    """
    side = choice(body, "truncation_side", _SIDES, None) or choice(body, "truncation_direction", _SIDES, None)
    return choice(body, "truncation", _TRUNCATIONS, None) or choice(body, "truncate", _TRUNCATIONS, None) or side


def kind(body: Body) -> TextKind:
    """Return what texts are to the embedder: queries where one of the fields for it says so, else documents."""
    said = next((str(value) for name in _KIND_FIELDS if (value := body.get(name))), "")
    return "query" if "query" in said.lower() else "document"
