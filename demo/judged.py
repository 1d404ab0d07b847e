"""Ask questions whose answers are known, and count where stage two helps and where it hurts.

    python -m demo.judged

Uses what `make demo` made: its bundles, and its collection of the standard library's documentation. The documents
that answer were written down before any reranker was asked. The last line is the result as JSON.
"""

import json
import sys
from statistics import fmean

from demo.__main__ import CANDIDATES, COLLECTION, ROOT
from shortlist.bench import local
from shortlist.client import Client

CUT = 10  # places in which an answer counts
ANSWERS: dict[str, tuple[str, ...]] = {
    "how do I read a csv file into dictionaries": ("csv.DictReader",),
    "run a shell command and get what it prints": (
        "subprocess.check_output",
        "subprocess.getoutput",
        "subprocess.run",
    ),
    "stop a coroutine that takes too long": ("asyncio.wait_for", "asyncio.timeout", "asyncio.timeout_at"),
    "remove a folder with everything in it": ("shutil.rmtree",),
    "keep only the newest entries of a function's cache": ("functools.lru_cache",),
    "compare two text files line by line": ("difflib", "difflib.Differ", "difflib.unified_diff", "difflib.ndiff"),
    "put the items of a list into random order": ("random.shuffle",),
    "turn an object into a json string": ("json.dumps",),
    "find the largest few items without sorting everything": ("heapq.nlargest",),
    "count how often each word occurs": ("collections.Counter",),
    "parse a date out of a string": ("datetime.datetime.strptime", "datetime.datetime.fromisoformat"),
    "make a temporary folder that is deleted afterwards": ("tempfile.TemporaryDirectory",),
    "escape special characters in a url": ("urllib.parse.quote", "urllib.parse.quote_plus"),
    "visit every file in a directory tree": ("os.walk", "os.fwalk", "pathlib.Path.rglob"),
    "checksum of a file": ("hashlib.file_digest",),
    "all orderings of a sequence": ("itertools.permutations",),
    "unpack a zip archive": ("zipfile.ZipFile.extractall", "shutil.unpack_archive", "zipfile.ZipFile.extract"),
    "wrap long lines of text": ("textwrap.wrap", "textwrap.fill", "textwrap.TextWrapper"),
    "insert into a sorted list and keep it sorted": ("bisect.insort_left", "bisect.insort_right"),
    "copy an object and everything inside it": ("copy.deepcopy",),
    "generate a secure random token": ("secrets.token_hex", "secrets.token_bytes", "secrets.token_urlsafe"),
    "where is an executable on the path": ("shutil.which",),
    "ignore an exception in a block": ("contextlib.suppress",),
    "ask for a password without showing it": ("getpass.getpass",),
    "is it a leap year": ("calendar.isleap",),
    "misspelled word suggest similar ones": ("difflib.get_close_matches",),
    "quote an argument for the shell": ("shlex.quote",),
    "how much space is left on the disk": ("shutil.disk_usage",),
    "send an email message": ("smtplib.SMTP.send_message", "smtplib.SMTP.sendmail"),
    "run functions in several processes": ("concurrent.futures.ProcessPoolExecutor", "multiprocessing.Pool"),
}


def main() -> int:
    """Ask, print a line a question, and return the exit code."""
    models = ("--embedder", str(ROOT / "embedder"), "--reranker", str(ROOT / "reranker"))
    places: list[tuple[int | None, int | None]] = []
    with (
        local.serving(*models, "--data", str(ROOT / "data"), "--log-level", "warning") as address,
        Client(address) as client,
    ):
        for query, answers in ANSWERS.items():
            found = client.search(
                COLLECTION, query, top_k=CANDIDATES, candidates=CANDIDATES, mode="two-stage", include_text=False
            )
            second = next((place for place, hit in enumerate(found.hits, 1) if hit.id in answers), None)
            first = min((hit.rank for hit in found.hits if hit.id in answers), default=None)
            places.append((first, second))
            print(f"{first or '-':>4} -> {second or '-':<4} {query}")
    result = {
        "questions": len(places),
        "mrr_at_10_stage_one": fmean(_worth(first) for first, _ in places),
        "mrr_at_10_stage_two": fmean(_worth(second) for _, second in places),
        "helped": sum(_worth(second) > _worth(first) for first, second in places),
        "hurt": sum(_worth(second) < _worth(first) for first, second in places),
    }
    print(json.dumps(result))
    return 0


def _worth(place: int | None) -> float:
    """Return the reciprocal of the first answer's place, 0 beyond the cut."""
    return 1 / place if place is not None and place <= CUT else 0.0


if __name__ == "__main__":
    sys.exit(main())
