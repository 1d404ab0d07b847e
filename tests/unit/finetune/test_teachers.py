"""Teachers: what a dual encoder says of pairs, alone and with BM25. The encoder is a stand-in with known vectors."""

import numpy as np
import pytest
from peft import TaskType

from shortlist.export.source import Origin
from shortlist.finetune import teachers
from shortlist.finetune.models import Dual
from shortlist.finetune.settings import FinetuneSettings
from shortlist.finetune.teachers import Ensemble, LateInteraction, Pooled
from shortlist.server.fusion import Fusion

VECTORS = {"red": (1.0, 0.0), "green": (0.0, 1.0), "brown": (0.6, 0.8)}


class Words(Dual):
    """An encoder with a given vector for each word; a text's is their normalized mean."""

    name = "words"

    def __init__(self, *, pools_by_mean: bool = True) -> None:
        """Load nothing."""
        self._mean = pools_by_mean

    @property
    def pools_by_mean(self):
        return self._mean

    def query_tokens(self, texts):
        return self.document_tokens(texts)

    def document_tokens(self, texts):
        return [np.array([VECTORS[word] for word in text.split()], np.float32) for text in texts]

    def queries(self, texts):
        return self.documents(texts)

    def documents(self, texts):
        means = np.stack([tokens.mean(axis=0) for tokens in self.document_tokens(texts)])
        return means / np.linalg.norm(means, axis=1, keepdims=True)


def test_each_query_token_takes_its_best_match():
    """Late interaction is the mean over the query's tokens of the best cosine in the passage."""
    found = LateInteraction(Words()).agreement([("red green", "red"), ("red green", "brown red"), ("red", "green")])
    assert found == pytest.approx([0.5, (1.0 + 0.8) / 2, 0.0])


def test_pooled_is_the_cosine_of_the_texts():
    """Pooled, a pair's agreement is the cosine of the two texts' vectors."""
    found = Pooled(Words()).agreement([("red green", "red"), ("red", "green"), ("brown", "red")])
    assert found == pytest.approx([0.5**0.5, 0.0, 0.6])


def test_the_best_window_of_a_long_passage_counts():
    """One sentence that answers is not thinned out by a hundred others; short passages are pooled whole."""
    red, green = (np.array([VECTORS[word]], np.float32) for word in ("red", "green"))
    long = np.concatenate([np.tile(green, (64, 1)), np.tile(red, (32, 1)), np.tile(green, (64, 1))])
    assert teachers.windowed(red, long) == pytest.approx(1.0)
    assert teachers.windowed(red, np.concatenate([red, green])) == pytest.approx(0.5**0.5)


def test_an_ensemble_adds_opinions_by_their_spread():
    """The sum is that of late, windows and BM25, each divided by its mean deviation within a query."""
    pairs = [("red green", "red"), ("red green", "brown red"), ("brown", "brown red"), ("brown", "green")]
    queries = [query for query, _ in pairs]
    tokens = Words().document_tokens
    late = np.array([teachers.late(tokens([query])[0], tokens([passage])[0]) for query, passage in pairs])
    windows = np.array([teachers.windowed(tokens([query])[0], tokens([passage])[0]) for query, passage in pairs])
    lexical = teachers._lexical(pairs)
    wanted = sum(
        weight * part / teachers.spread(queries, part)
        for weight, part in zip((1.0, 1.0, 0.3), (late, windows, lexical), strict=True)
    )
    found = Ensemble(Words()).agreement(pairs)
    assert found == pytest.approx(wanted / teachers.spread(queries, wanted), rel=1e-4)
    assert teachers.spread(queries, found) == pytest.approx(1.0, rel=1e-4)


def test_bm25_judges_pairs_in_their_order():
    """A passage with the query's word scores above one without, wherever the pair stands."""
    found = teachers._lexical([("red", "green"), ("green", "green"), ("red", "red brown"), ("green", "red brown")])
    assert (found > 0).tolist() == [False, True, True, False]


def test_slices_do_not_change_what_is_said(monkeypatch):
    """Pairs that are asked about in several slices get the same answers."""
    pairs = [("red green", "brown"), ("red", "brown"), ("green", "red green"), ("brown", "brown")]
    whole = LateInteraction(Words()).agreement(pairs)
    monkeypatch.setattr(teachers, "_PAIRS_AT_ONCE", 2)
    assert LateInteraction(Words()).agreement(pairs).tolist() == whole.tolist()


@pytest.mark.parametrize(
    ("interaction", "pools_by_mean", "kind"),
    [
        ("", True, Ensemble),
        ("", False, Pooled),
        ("pooled", True, Pooled),
        ("late", False, LateInteraction),
        ("ensemble", False, Ensemble),
    ],
)
def test_how_a_dual_encoder_teaches(tmp_path, interaction, pools_by_mean, kind):
    """As an ensemble where it pools by mean, unless the setting says otherwise."""
    settings = FinetuneSettings(base="b", out=tmp_path, interaction=interaction)
    assert (
        type(teachers.choose(settings, Words(pools_by_mean=pools_by_mean), Origin("b", "", tmp_path), print)) is kind
    )


def test_a_cross_encoder_teaches_the_order_of_a_search_by_it():
    """Its logits count alone, or with the finder's similarity beside them where it recommends that."""
    pairs = [("red green", "red"), ("red", "green"), ("brown", "red")]
    logits = np.array([1.0, 2.0, 3.0], np.float32)
    alone, both = (teachers.Cross("c", lambda _: logits, fusion, Words()) for fusion in (Fusion(), Fusion(2.0, 0.5)))
    assert alone.agreement(pairs).tolist() == logits.tolist()
    assert both.agreement(pairs) == pytest.approx(logits + 2 * (np.array([0.5**0.5, 0.0, 0.6]) - 0.5))
    assert "similarity at weight 2" in both.name


def test_an_adapter_teaches_as_a_cross_encoder(make, tiny_folders, tmp_path):
    """An adapter on a dual encoder's body is asked for logits, not for the vectors of its base."""
    adapted = make.adapter(tmp_path / "adapter", tiny_folders.embedder, TaskType.SEQ_CLS)
    settings = FinetuneSettings(base="b", out=tmp_path, teacher=str(adapted))
    chosen = teachers.choose(settings, Words(), Origin("b", "", tmp_path), print)
    assert isinstance(chosen, teachers.Cross)
