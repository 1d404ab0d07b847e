"""`--where`: a filter as a person writes it, read by a small grammar.

    year >= 2020 and lang in (de, en) and not draft = true
    (author.name = "Ada Lovelace" or author.name = Turing) and published < 2024-05-01 and abstract exists

A bare word is a number, a date or time, `true` or `false` where it looks like one, else text; in quotes it is text
whatever it looks like. A field with spaces is in quotes as well.
"""

import json
import re
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, cast

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from shortlist.client.filters import AllOf, AnyOf, Condition, Field, Filter, NotOf, Value
from shortlist.console.errors import UsageError

# Words of the grammar end where no other word goes on; elsewhere, as a value, they are words like any other.
_GRAMMAR = r"""
?start: some
some: every (_OR every)*
every: one (_AND one)*
?one: _NOT one -> negated
    | "(" some ")"
    | field COMPARISON value -> compared
    | field _IN values -> among
    | field _NOT _IN values -> not_among
    | field _EXISTS -> exists
values: "(" value ("," value)* ")"
field: BARE | QUOTED
value: BARE | QUOTED

COMPARISON: "==" | "=" | "!=" | ">=" | "<=" | ">" | "<"
QUOTED: /"([^"\\]|\\.)*"/ | /'([^'\\]|\\.)*'/
_AND.2: /and(?![^\s(),'"=<>!])/i
_OR.2: /or(?![^\s(),'"=<>!])/i
_NOT.2: /not(?![^\s(),'"=<>!])/i
_IN.2: /in(?![^\s(),'"=<>!])/i
_EXISTS.2: /exists(?![^\s(),'"=<>!])/i
BARE: /[^\s(),'"=<>!]+/
%ignore /\s+/
"""
_WHOLE = re.compile(r"[+-]?\d+")
_NUMBER = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+)([eE][+-]?\d+)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?")
_ESCAPED = re.compile(r"\\(.)")
# What is said to be missing, for the terminals that a reader may know by another name.
_NAMES = {
    "BARE": "a field or a value",
    "QUOTED": "a field or a value",
    "COMPARISON": "=, !=, >, >=, <, <=, in, exists",
    "_IN": "=, !=, >, >=, <, <=, in, exists",
    "_EXISTS": "=, !=, >, >=, <, <=, in, exists",
    "_NOT": "not",
    "_AND": "and",
    "_OR": "or",
    "LPAR": "(",
    "RPAR": ")",
    "COMMA": "a comma",
    "$END": "the end",
}
_SHOWN = 30


def parse(text: str) -> Filter:
    """Read a filter.

    Raises:
        UsageError: it is none; the message names the place and what could stand there.
    """
    try:
        return _Reader().transform(_parser().parse(text))  # type: ignore[no-any-return]  # lark's trees are of any
    except UnexpectedInput as error:
        raise UsageError(_told(text, error)) from None


def parse_if_any(text: str | None) -> Filter | None:
    """Read a filter where there is one."""
    return None if text is None else parse(text)


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr")


class _Reader(Transformer[Token, Any]):
    """The tree of the grammar to a filter."""

    def some(self, filters: list[Filter]) -> Filter:
        return filters[0] if len(filters) == 1 else AnyOf(tuple(filters))

    def every(self, filters: list[Filter]) -> Filter:
        return filters[0] if len(filters) == 1 else AllOf(tuple(filters))

    def negated(self, inner: list[Filter]) -> Filter:
        return NotOf(inner[0])

    def compared(self, parts: list[Any]) -> Filter:
        field, sign, value = Field(parts[0]), parts[1], cast("Value", parts[2])
        match str(sign):
            case ">":
                return field > value
            case ">=":
                return field >= value
            case "<":
                return field < value
            case "<=":
                return field <= value
            case "!=":
                return field != value
            case _:
                return field == value

    def among(self, parts: list[Any]) -> Filter:
        return Condition(parts[0], {"in": parts[1]})

    def not_among(self, parts: list[Any]) -> Filter:
        return NotOf(self.among(parts))

    def exists(self, parts: list[Any]) -> Filter:
        return Field(parts[0]).exists()

    def values(self, values: list[Value]) -> list[Value]:
        return values

    def field(self, tokens: list[Token]) -> str:
        return _text(tokens[0])

    def value(self, tokens: list[Token]) -> Value:
        return _text(tokens[0]) if tokens[0].type == "QUOTED" else _bare(str(tokens[0]))


def _text(token: Token) -> str:
    return _ESCAPED.sub(r"\1", token[1:-1]) if token.type == "QUOTED" else str(token)


def _bare(word: str) -> Value:
    """Return what a bare word looks like."""
    if word.lower() in {"true", "false"}:
        return word.lower() == "true"
    if _WHOLE.fullmatch(word):
        return int(word)
    if _NUMBER.fullmatch(word):
        return float(word)
    try:
        if _DATE.fullmatch(word):
            return date.fromisoformat(word)
        if _TIME.fullmatch(word):
            time = datetime.fromisoformat(word.upper())
            return time if time.tzinfo else time.replace(tzinfo=UTC)
    except ValueError:  # such as a 13th month
        pass
    return word


def _told(text: str, error: UnexpectedInput) -> str:
    """Return where a filter is wrong, and what could stand there."""
    match error:
        case UnexpectedToken():
            names = set(error.accepts or error.expected)
        case UnexpectedCharacters():
            names = set(error.allowed or ())
        case _:
            names = set()
    expected = ", or ".join(sorted({_NAMES[name] for name in names if name in _NAMES}))
    at_end = isinstance(error, UnexpectedEOF) or (isinstance(error, UnexpectedToken) and error.token.type == "$END")
    place = len(text) if at_end else (error.pos_in_stream or 0)
    rest = text[place : place + _SHOWN]
    where = "it ends there" if at_end else f"there is {json.dumps(rest, ensure_ascii=False)}"
    return f"where: character {place + 1}: {where}, but {expected} is expected; --help shows the form"
