"""Which label says relevant, by its words alone."""

import pytest

from shortlist.export import labels
from shortlist.export.errors import ExportError
from shortlist.export.labels import Labels


@pytest.mark.parametrize(
    ("names", "relevant"),
    [
        (("duplicate", "not_duplicate"), 0),
        (("related", "unrelated"), 0),
        (("pos", "neg"), 0),
        (("1", "0"), 0),
        (("match", "no_match"), 0),
        (("relevance", "irrelevance"), 0),
        (("LABEL_0", "LABEL_1"), 1),
        (("yes", "no"), 0),
        (("Relevant", "Not relevant"), 0),
        (("notRelevant", "relevant"), 1),
        (("similar", "dissimilar"), 0),
        (("non-entailment", "entailment"), 1),
        (("contradiction", "entailment"), 1),
        (("something", "Positive"), 1),
        (("negative", "something"), 1),
        (("mismatch", "match"), 1),
    ],
)
def test_two_labels(names: tuple[str, str], relevant: int) -> None:
    """Of two labels the one whose words say relevant is taken, wherever it stands, or the one beside a denial."""
    for places in ((0, 1), (1, 0)):
        found = labels.read("m", {place: names[each] for place, each in enumerate(places)})
        place = places.index(relevant)
        assert found == Labels(place, 1 - place, names[relevant])


@pytest.mark.parametrize("names", [("spam", "ham"), ("1", "2"), ("yes", "true"), ("negative", "no"), ("a", "b")])
def test_words_that_say_nothing(names: tuple[str, str]) -> None:
    """Labels that say nothing, or the same, are refused with the flag; with it the order is as asked."""
    found = dict(enumerate(names))
    with pytest.raises(ExportError, match="do not say which means relevant; name it with --relevant-label"):
        labels.read("m", found)
    assert labels.read("m", found, names[1]) == Labels(1, 0, names[1])


@pytest.mark.parametrize(("name", "taken"), [("LABEL_0", True), ("score", True), ("irrelevance", False)])
def test_one_label(name: str, taken: bool) -> None:
    """One label is the logit itself, unless its word says that it falls as relevance rises."""
    if taken:
        assert labels.read("m", {0: name}) == Labels(0)
    else:
        with pytest.raises(ExportError, match=f"the one label '{name}'"):
            labels.read("m", {0: name})
    assert labels.read("m", {0: name}, name) == Labels(0)


def test_more_labels() -> None:
    """More than two labels make no one logit."""
    with pytest.raises(ExportError, match="3 labels"):
        labels.read("m", {0: "a", 1: "b", 2: "c"})
