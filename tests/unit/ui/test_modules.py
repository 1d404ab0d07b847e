"""The page's pure modules, run by node: what they decide, and the same as the rest of Shortlist decides it."""

import json
import os
import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from shortlist.cli import where
from shortlist.client import filter_requests
from shortlist.client.errors import InvalidRequest
from shortlist.console.errors import UsageError
from shortlist.evaluation import measures
from shortlist.proto import retrieval_pb2 as pb
from shortlist.ui import assets

NODE = shutil.which("node")
HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(NODE is None, reason="needs node, which runs the page's modules without a browser")

FILTERS = [
    "year >= 2020 and lang in (de, en) and not draft = true",
    '(author.name = "Ada Lovelace" or author.name = Turing) and published < 2024-05-01 and abstract exists',
    "a = 1 or b = 2 and c = 3 or d = 4",
    "(a = 1 and b = 2) and (c = 3 and (d = 4 or e = 5))",
    "not not a = 1",
    "not (a = 1 or b = 2)",
    'lang not in (\'de\', "e\\"n", a\\b)',
    "'a field' != x",
    "a==1 and b<=-2.5 and c>+3 and d<.5e3",
    "not_a = and and nothing = or and inside = in and a = not and b = exists",
    "and = 1",
    "in in (in) AND Exists EXISTS or oR nOt IN (x)",
    "a = 9223372036854775807 and b = -9223372036854775808",
    "a = 9223372036854775808",
    "a = 1e999",
    "a = 2024-02-30",
    "a = 2024-13-01",
    "a = 0000-01-01",
    "a = 2024-05-01T12:30",
    "a = 2024-05-01t12:30:15.5z",
    "a = 2024-05-01T12:30:15.123456789+02:00",
    "a = 2024-05-01T24:00",
    "a = 2024-05-01T12:30:60Z",
    "a = 1999-12-31T23:59:59-01:30",
    "a = 2024-05-01T12:30+24:00",
    "a = 2024-05-01T00:00:00.000Z",
    "a = TRUE and b = False and c = 'true'",
    "a=1and b=2",
    "größe > 5 and 名 = 値",
    "a = '' or b = \"\"",
    *("a", "a =", "a = (", "= 1", "a = 1 and", "a = 1 b = 2", "a in ()", "a in (1,)", "a in 1", "(a = 1", "a = 1)"),
    *("a = 'x", "not", "a not = 1", "a > > 1", "a exists exists", "a < 1 < 2", ","),
]


def environment() -> dict[str, str]:
    """Return where node finds the modules."""
    return os.environ | {"UI": str(Path(assets.__file__).parent)}


def called(module: str, name: str, arguments: Sequence[Sequence[Any]]) -> list[Any]:
    """Call a function of a module with each list of arguments, and return what it returned."""
    command = [NODE, str(HERE / "calls.mjs"), module, name]
    ended = subprocess.run(
        command,
        env=environment(),
        input=json.dumps(arguments),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found: list[Any] = json.loads(ended.stdout)
    return found


def of_the_command(text: str) -> pb.Filter | None:
    """Return the filter that the command makes of a text; None where it refuses it."""
    try:
        return filter_requests.where(where.parse(text))
    except (UsageError, InvalidRequest):
        return None


def test_pure_modules():
    """What they decide and write is right (pure.test.mjs)."""
    command = [NODE, "--test", str(HERE / "pure.test.mjs")]
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_filters_are_those_of_the_command():
    """Each filter becomes the same message as on the command line, or is refused by both."""
    answers = called("filter.js", "parse", [[text] for text in FILTERS])
    found = [None if one is None else json_format.ParseDict(one, pb.Filter()) for one in answers]
    assert dict(zip(FILTERS, found, strict=True)) == {text: of_the_command(text) for text in FILTERS}
    assert 15 < sum(one is None for one in found) < len(FILTERS) - 20  # the comparison is of both kinds


def test_what_an_order_is_worth():
    """nDCG@10 by judgements is what `shortlist eval` measures, which is trec_eval's."""
    rng = random.Random(5)
    orders, grades = {}, {}
    for query in map(str, range(40)):
        orders[query] = rng.sample([f"d{number}" for number in range(30)], 25)
        grades[query] = {one: rng.choice((0, 1, 1, 3)) for one in rng.sample(range(30), rng.randint(1, 8))}
        grades[query] = {f"d{number}": grade for number, grade in grades[query].items()} | {"d0": 1}
    expected = measures.measure(orders, grades)[measures.NDCG]
    found = called("ranks.js", "ndcg", [[orders[query], grades[query]] for query in orders])
    assert dict(zip(orders, found, strict=True)) == pytest.approx(expected, abs=1e-6)  # it rounds to so much
