"""Texts as training needs them: documents cut to the part that answers, queries in the shapes that people type.

Pure functions over words; they know no model. What is drawn, is drawn from the caller's generator.
"""

import math
import random
import re
from collections import Counter
from collections.abc import Iterable

# Words that a keyword query leaves out.
_LEFT_OUT = """
    a an and are as at be been by can could did do does for from had has have how in is it its many much of
    on or that the these this those to was were what when where which who whom whose why will with would
"""
_STOP_WORDS = frozenset(_LEFT_OUT.split())
_HOW = re.compile(r"^(how (do|can|would|should) (i|you|we|one)|how to|what is the (best )?way to|is there a way to) ")
_NO = re.compile(r"\b(no|not|never|none|nothing|cannot|without|neither|nor|instead|un\w+able)\b|n't\b", re.IGNORECASE)
# A verb, and what denies it; the first that is found counts.
_DENIED = (
    (re.compile(r"\bcan\b"), "cannot"),
    (re.compile(r"\b(is|are|was|were|will|would|should|must|may|could)\b"), r"\1 not"),
    (
        re.compile(r"^([A-Z][a-z]{2,}[^s\W])s (?=(the|a|an|all|this|its|one|if|whether|each|every) )"),
        lambda found: f"Does not {found[1].lower()} ",
    ),
    (re.compile(r"\b(use|run|call|set|add|press|type|open|create) (?=(the|a|an|this|your) )"), r"do not \1 "),
)
_STEP_WORDS = 4  # windows start every so many words; between them the best one hardly changes
_LEAST_WORDS = 3


def terms(text: str) -> list[str]:
    """Return a text's words as they are compared: lower case, without stop words."""
    return [word for word in re.findall(r"\w+", text.lower()) if word not in _STOP_WORDS]


class Cutter:
    """A cutter of documents into passages; rare words count more, by the frequencies in one corpus."""

    def __init__(self, documents: Iterable[str]) -> None:
        """Count in how many documents each word is."""
        self._counts: Counter[str] = Counter()
        self._documents = 0
        for document in documents:
            self._counts.update(set(terms(document)))
            self._documents += 1

    def weight(self, word: str) -> float:
        """Return a word's inverse document frequency, with one added to both counts."""
        return math.log((1 + self._documents) / (1 + self._counts[word]))

    def cut(self, document: str, query: str, words: int) -> str:
        """Return the window of that many words in which most of the query's words are, weighted by rarity."""
        whole = document.split()
        if len(whole) <= words:
            return document
        wanted = set(terms(query))
        worth = [sum(self.weight(term) for term in set(terms(word)) & wanted) for word in whole]
        starts = range(0, len(whole) - words + 1, _STEP_WORDS)
        best = max(starts, key=lambda start: sum(worth[start : start + words]))
        return " ".join(whole[best : best + words])


def plain(query: str) -> str:
    """Return a query as people type it into a search box: lower case, without the mark at its end."""
    return query.lower().rstrip("?.! ") or query


def keywords(query: str, random_: random.Random) -> str:
    """Turn a question into keywords: no stop words, some words lost, lower case."""
    words = [word for word in re.findall(r"[\w'-]+", query.lower()) if word not in _STOP_WORDS]
    kept = [word for word in words if random_.random() > 0.2] or words  # noqa: PLR2004 (one word of five)
    return " ".join(kept) or query


def imperative(query: str) -> str:
    """Turn a how-to question into the task itself: "how do I read a file?" into "read a file"."""
    return _HOW.sub("", plain(query)) or query


def negated(passage: str, query: str) -> str:
    """Return a passage that says no where it said what a query asks for, or an empty text where no verb is known.

    Of its sentences the one that shares most words with the query is denied: "is" becomes "is not", "can" becomes
    "cannot", and a summary such as "Stops the server" becomes "Does not stop the server".
    """
    if _NO.search(query):
        return ""
    wanted = set(terms(imperative(query)))
    sentences = re.split(r"(?<=[.?!])\s+", passage)
    best = max(range(len(sentences)), key=lambda place: len(wanted & set(terms(sentences[place]))))
    said = sentences[best]
    if 2 * len(wanted & set(terms(said))) < len(wanted) or _NO.search(said):
        return ""
    for pattern, instead in _DENIED:
        denied, count = pattern.subn(instead, said, count=1)
        if count:
            return " ".join([*sentences[:best], denied, *sentences[best + 1 :]])
    return ""


def beginning(query: str) -> str:
    """Return the first half of a query, as somebody has typed it so far."""
    words = query.split()
    return " ".join(words[: max(_LEAST_WORDS, len(words) // 2)])


def excerpt(document: str, random_: random.Random) -> str:
    """Return some words in a row out of a document, as a query for what is like it."""
    words = document.split()
    length = random_.randint(_LEAST_WORDS, 10)
    start = random_.randint(0, max(0, len(words) - length))
    return " ".join(words[start : start + length])
