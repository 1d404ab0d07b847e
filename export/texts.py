"""The texts that every export is tried on: questions and passages that answer them, in `texts.jsonl`.

Written for this purpose: short, medium and long, mostly English, some in other languages and scripts.
"""

import json
from itertools import islice
from pathlib import Path

_QUERIES = 24
_PASSAGES_A_QUERY = 4

# What tokenizers treat in ways of their own: space, marks, case, scripts, signs, names of special tokens, control
# characters. Of some nothing is left once they are cleaned.
ODD = (
    *(" \t\n ", "\u200b", "\u00a0\u3000", "\u00ad", "\ufeffa mark, then text", "\x01control\x7f", "\ufffd"),
    *(
        "  space  at both\tends \r\n",
        "WHO invented The TYPEWRITER?",
        "stra\u00dfe \u0130STANBUL \u03a3\u0399\u03a3\u03a5\u03a6\u039f\u03a3",
    ),
    *(
        "\ufb01ne \uff21\uff11 \u2460 \u00bd",
        "cafe\u0301 caf\u00e9 na\u00efve",
        "\u201cquoted\u201d \u2014 it's don't #1 $5.00 a_b-c",
    ),
    *(
        "\u6771\u4eac\u306b\u884c\u304d\u307e\u3059\u3002",
        "\u4f60\u597d\u4e16\u754c",
        "\uc548\ub155\ud558\uc138\uc694",
        "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    ),
    *(
        "\u0645\u0631\u062d\u0628\u0627",
        "\u0928\u092e\u0938\u094d\u0924\u0947",
        "\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \U0001f44d\U0001f3fd",
    ),
    *("a [SEP] b </s> c [MASK] <mask> <s> d [UNK] <unk> [CLS]", "https://example.org/a?b=c&d=1#e", "x" * 300),
)


def questions_and_passages() -> list[tuple[str, str]]:
    """Return every question with the passage that answers it."""
    lines = Path(__file__).with_name("texts.jsonl").read_text(encoding="utf-8").splitlines()
    return [(entry["query"], entry["text"]) for entry in map(json.loads, lines)]


def pairs() -> list[tuple[str, str]]:
    """Return pairs for a reranker: some of the questions, each beside its answer and beside other passages."""
    found = questions_and_passages()
    chosen = islice(enumerate(found), 0, None, len(found) // _QUERIES)
    return [
        (query, found[(place + step) % len(found)][1])
        for place, (query, _) in chosen
        for step in range(_PASSAGES_A_QUERY)
    ]
