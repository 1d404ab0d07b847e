"""Which of a classifier's labels says relevant: what was asked for, else what the labels' words say, else a refusal.

Taking the wrong one of two turns every order round without an error, so a guess is no way out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import ExportError

_TWO = 2
_YES = {
    *("relevant", "relevance", "related", "positive", "pos", "entailment", "entailed", "entails", "yes", "true"),
    *("duplicate", "match", "matching", "matched", "similar", "same", "equivalent", "paraphrase", "equal", "answer"),
    *("correct", "good", "helpful", "supported", "supports", "consistent", "1"),
}
_NO = {
    *("negative", "neg", "contradiction", "contradicts", "no", "false", "different", "distinct", "other", "wrong"),
    *("bad", "mismatch", "random", "refuted", "refutes", "neutral", "0"),
}
_TURNING = {"not", "non", "no", "un", "ir", "in", "dis"}
_JOINED = re.compile("(not|non|un|ir|in|dis)(?=[a-z])")


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels that a reranker's logit is made of."""

    positive: int
    negative: int | None = None  # none where there is one label
    name: str = ""  # the positive's, of two


def read(model: str, found: Mapping[int, str], asked: str = "") -> Labels:
    """Return which label says relevant, and which says irrelevant if there are two.

    Args:
        model: its name.
        found: the labels by their places, as `id2label` of its config.json has them.
        asked: the one that says relevant; empty: their words decide.

    Raises:
        ExportError: there are more than two, the one that is asked for is not there, or their words say nothing.
    """
    listed = ", ".join(found.values())
    if len(found) > _TWO:
        raise ExportError(f"{model} has {len(found)} labels ({listed}), but a reranker has one or two")
    if asked and asked not in found.values():
        raise ExportError(f"--relevant-label is {asked!r}, but {model} has {listed}; name one of these")
    if len(found) == 1:
        if not asked and sign(found[0]) < 0 and not _numbers(found):
            raise ExportError(
                f"{model} has the one label {found[0]!r}, which says that its score falls as relevance rises;"
                f" if it does not, give --relevant-label {found[0]!r}"
            )
        return Labels(0)
    places = [place for place, label in found.items() if label == asked] or _best(found)
    if len(places) != 1:
        raise ExportError(
            f"{model} has the labels {listed}, which do not say which means relevant; name it with --relevant-label"
        )
    return Labels(places[0], 1 - places[0], found[places[0]])


def sign(label: str) -> int:
    """Return 1 if a label says relevant, -1 if it says the contrary, and 0 if its words say neither."""
    words = re.findall("[a-z]+|[0-9]+", re.sub("([a-z])([A-Z])", r"\1_\2", label).lower())
    told, turned = 0, 1
    for word in words:
        start = _JOINED.match(word)
        rest = word[start.end() :] if start else ""
        if word in _YES:
            told = 1
        elif word in _NO and (word not in _TURNING or len(words) == 1):
            told = -1
        elif word in _TURNING:
            turned = -turned
        elif rest in _YES | _NO:
            told, turned = (1 if rest in _YES else -1), -turned
    return told * turned


def _best(found: Mapping[int, str]) -> list[int]:
    """Return the labels that say relevant most; 0 and 1 do, as in transformers' own names, and no other number."""
    if _numbers(found) not in (set(), {"0", "1"}):
        return []
    signs = {place: sign(label) for place, label in found.items()}
    return [place for place, value in signs.items() if value == max(signs.values())]


def _numbers(found: Mapping[int, str]) -> set[str]:
    return {number for label in found.values() for number in re.findall("[0-9]+", label)}
