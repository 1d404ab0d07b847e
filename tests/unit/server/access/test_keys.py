"""Keys: what a server keeps of them, which lines it reads, and what it says of those that it does not."""

import hashlib

import pytest

from shortlist.server.access import keys
from shortlist.server.access.rights import Right
from shortlist.server.errors import SettingsError

DIGEST = hashlib.sha256(b"secret").hexdigest()


def test_a_new_key_is_read_back_from_its_line():
    """The line that is printed is that of the key, which it does not hold."""
    secret, kept = keys.make("app", Right.WRITE, ("notes", "team-*"))
    assert keys.read([kept.line()], "file") == (kept,)
    assert secret not in kept.line()
    assert keys.find([kept], secret) is kept
    assert keys.find([kept], f"{secret}x") is None


def test_keys_are_long_and_differ():
    """Each has 256 random bits behind a prefix that finds it in a log."""
    made = {keys.make("app", Right.READ, ())[0] for _ in range(100)}
    assert len(made) == 100
    assert {(one.startswith("shortlist_"), len(one)) for one in made} == {(True, 53)}


def test_a_name_may_have_two_keys():
    """Callers change from one to the other while both are known."""
    one, other = (f"app read {hashlib.sha256(secret).hexdigest()}" for secret in (b"a", b"b"))
    known = keys.read(["# callers", "", one, f"{other}  # from May on"], "file")
    assert [keys.find(known, secret).name for secret in ("a", "b")] == ["app", "app"]


@pytest.mark.parametrize(
    ("collections", "covered", "others"),
    [
        ((), ["notes", "a"], []),
        (("notes",), ["notes"], ["note", "notes2", ""]),
        (("team-*", "b"), ["team-", "team-a", "b"], ["team", "c"]),
        (("*",), ["notes", "a"], []),
    ],
)
def test_collections_of_a_key(collections: tuple[str, ...], covered: list[str], others: list[str]):
    """A key is for the collections that it names, by their whole names or how they begin."""
    (key,) = keys.read([f"app read {DIGEST} {' '.join(collections)}"], "file")
    assert [key.covers(one) for one in (*covered, *others)] == [True] * len(covered) + [False] * len(others)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["app"], "line 1: the right of app is none of read, write, admin"),
        (["", "app open x"], "line 2: the right of app is none of"),
        (["app read"], "behind app read there must be the key's SHA-256"),
        (["app read shortlist_secret"], "behind app read there must be the key's SHA-256"),
        ([f"app read {DIGEST.upper()}"], "behind app read there must be"),
        (["shortlist_secret/x read"], "a key's name is 1 to 64 letters"),
        ([f"app read {DIGEST} Notes"], "'Notes' is no collection of app"),
        ([f"a read {DIGEST}", f"b admin {DIGEST}"], "a and b are one key"),
        ([f"a read {number:064x}" for number in range(1001)], "there are 1001 keys, and 1000 is the most"),
    ],
)
def test_lines_that_are_none(lines: list[str], told: str):
    """A line that cannot be used is named by its place and fault; what stands there may be a key, and is not told."""
    with pytest.raises(SettingsError) as refused:
        keys.read(lines, "file")
    assert told in str(refused.value)
    assert "secret" not in str(refused.value)
