"""Ask questions whose answers are known, and count where stage two helps and where it hurts.

    python -m demo.judged

Uses what `make demo` made: its bundles, and its collection of the standard library's documentation. The last line is
the result as JSON.
"""

import json
import sys
from statistics import fmean

from demo import questions
from demo.__main__ import CANDIDATES, COLLECTION, MODELS
from shortlist.bench import local
from shortlist.client import Client


def main() -> int:
    """Ask, print a line a question, and return the exit code."""
    places = []
    with (
        local.serving(*MODELS, "--log-level", "warning") as address,
        Client(address) as client,
    ):
        for query, answers in questions.ANSWERS.items():
            found = client.search(
                COLLECTION, query, top_k=CANDIDATES, candidates=CANDIDATES, mode="two-stage", include_text=False
            )
            places.append(one := questions.places(found.hits, answers))
            print(f"{one.first or '-':>4} -> {one.second or '-':<4} {query}")
    result = {
        "questions": len(places),
        "mrr_at_10_stage_one": fmean(questions.worth(one.first) for one in places),
        "mrr_at_10_stage_two": fmean(questions.worth(one.second) for one in places),
        "helped": sum(one.moved > 0 for one in places),
        "hurt": sum(one.moved < 0 for one in places),
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
