"""Questions on the standard library whose answers are known, and where a search has them.

The documents that answer were written down before any reranker was asked. The first questions are those that the demo
asks.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from shortlist.client import Hit

ASKED = 6  # by the demo
CUT = 10  # places in which an answer counts for the reciprocal rank
_SCREEN = 3  # places that a reader looks at
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


@dataclass(frozen=True, slots=True)
class Places:
    """Where the best answer stands, from 1; None where it is nowhere."""

    first: int | None  # in stage one
    second: int | None  # after stage two

    @property
    def moved(self) -> int:
        """1 where stage two brought the answer up among the places that count, -1 where down, else 0."""
        before, after = worth(self.first), worth(self.second)
        return (after > before) - (after < before)


def places(hits: Sequence[Hit], answers: Collection[str]) -> Places:
    """Return the places of the best of the documents that answer."""
    return Places(
        min((hit.rank for hit in hits if hit.id in answers), default=None),
        next((place for place, hit in enumerate(hits, 1) if hit.id in answers), None),
    )


def worth(place: int | None) -> float:
    """Return the reciprocal rank of an answer, 0 beyond the places that count."""
    return 1 / place if place and place <= CUT else 0.0


def told(found: Sequence[Places]) -> Iterator[str]:
    """Yield the lines that say what stage two moved, and whether it was right to."""
    first, second = (
        sum(place is not None and place <= _SCREEN for place in side)
        for side in ([one.first for one in found], [one.second for one in found])
    )
    up, down = (sum(one.moved == sign for one in found) for sign in (1, -1))
    asked = f"{second} of {len(found)} questions"
    yield f"An answer is in the first {_SCREEN} for {asked}; by stage one alone for {first}."
    yield f"Stage two moved the answer up {up} times, and down {down} times."
