"""Late-interaction models from `shortlist finetune`: adapter, export, all weights, continuation, and the loss."""

import json

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder.losses import ListNetLoss
from torch import nn

import late_models
from shortlist.export import source
from shortlist.export.inference import Runner
from shortlist.finetune import app, losses, maxsim_worth, quality, reading, teachers, training
from shortlist.finetune.errors import FinetuneError
from shortlist.finetune.exported import Embedder
from shortlist.finetune.settings import FinetuneSettings
from shortlist.finetune.token_model import TokenModel
from shortlist.server.runtime.late_interaction import TokenReader

pytestmark = pytest.mark.filterwarnings("ignore")  # what the training libraries warn of is theirs

WORDS = ("red", "green", "blue", "one", "two", "three", "cat", "dog", "bird", "sun", "moon", "star", "sea", "hill")


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """Write a collection: each query is two words of its document, behind which stands a full stop."""
    folder = tmp_path_factory.mktemp("collection")
    drawn = np.random.default_rng(1)
    texts = [drawn.choice(WORDS, 8, replace=False) for _ in range(40)]
    documents = [{"_id": f"d{i}", "text": " ".join(words) + "."} for i, words in enumerate(texts)]
    queries = [{"_id": f"q{i}", "text": " ".join(words[:2])} for i, words in enumerate(texts)]
    for name, entries in (("corpus", documents), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    rows = "".join(f"q{i}\td{i}\t1\n" for i in range(40))
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + rows)
    return folder


def settings(collection, base, out, **changes):
    """Return settings of a run that takes a second."""
    quick = {"held_out": 8, "passages": 4, "rank": 2, "max_tokens": 40, "evaluate_every": 3, "batch_lists": 4}
    own = {"kind": "late-interaction", "dimensions": 8, "sets": (str(collection),)}
    return FinetuneSettings(base=str(base), out=out, **{**own, **quick, **changes})


def run(chosen):
    """Run and return the figures and what was told."""
    told = []
    return app.run(chosen, told.append), told


@pytest.fixture(scope="module")
def adapter(collection, tiny_folders, tmp_path_factory):
    """Fine-tune an adapter on a dual encoder's body."""
    out = tmp_path_factory.mktemp("adapter") / "out"
    figures, told = run(settings(collection, tiny_folders.embedder, out, licence="CC0"))
    return out, figures, told


def test_a_dual_encoder_becomes_adapter_and_projection(adapter):
    """The weights are an adapter and a projection in sentence-transformers' layout, with a card, and nothing else."""
    out, _, _ = adapter
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == {
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "config_sentence_transformers.json",
        "modules.json",
        "1_Dense/config.json",
        "1_Dense/model.safetensors",
        "2_MultiVectorMask/config.json",
        "3_Normalize/config.json",
    }


def test_only_orders_are_told(adapter, collection):
    """Teacher and model are measured by the order that they give; no score is said to mean anything."""
    out, figures, told = adapter
    held_out = f"{collection.name}, held out"
    assert [set(figures[when][held_out]) for when in ("teacher", "before", "after")] == [
        {"stage_one", "reranked"}
    ] * 3
    assert not any("Calibrated" in line or "scores are off" in line for line in told)
    card = (out / "README.md").read_text()
    assert "| queries | stage one | teacher | before | after |\n" in card
    assert "a vector of 8 elements" in card
    assert '"kind": "late-interaction"' in card


def test_the_adapter_exports(make, adapter, tmp_path):
    """What fine-tuning writes is what export takes, with the vectors and the order that training had."""
    out, _, _ = adapter
    bundle = make.export(out, tmp_path / "bundle", kind="late-interaction")
    rules = bundle.manifest.late_interaction
    assert (bundle.manifest.kind, bundle.manifest.dimensions) == ("late-interaction", 8)
    assert len(rules.document.skipped) > 0
    assert rules.query.skipped == ()


def test_training_and_serving_see_the_same_vectors(make, adapter, collection, tmp_path):
    """A trained model loaded again has, for texts of both kinds, the vectors that its bundle's reference has."""
    out, _, _ = adapter
    chosen = settings(collection, out, tmp_path / "again")
    own = TokenModel(chosen, source.resolve(str(out)), reading.read(chosen))
    bundle = make.export(out, tmp_path / "bundle", kind="late-interaction")
    reader = TokenReader.of(bundle)
    runner = Runner(bundle.graph("fp32"), "late-interaction", bundle.manifest.pad_token_id)
    for kind, text in (("query", "red cat."), ("document", "one sun, moon.")):
        (item,) = reader.read([text], kind)
        (vectors,) = runner.token_vectors([item])
        found = reader.kept(item, vectors, kind)
        with torch.inference_mode():
            (mine,) = own.vectors([text], kind)
        np.testing.assert_allclose(mine.numpy(), found, atol=2e-3)  # an adapter is saved as float16


def test_the_projection_begins_as_principal_components(collection, tiny_folders, tmp_path):
    """Its rows have length 1 and are at right angles, and hold more of the body's vectors than others would."""
    chosen = settings(collection, tiny_folders.embedder, tmp_path / "out")
    own = TokenModel(chosen, source.resolve(chosen.base), reading.read(chosen))
    weight = own.model[1].linear.weight.detach()
    torch.testing.assert_close(weight @ weight.T, torch.eye(8), atol=1e-5, rtol=0)
    texts = list(reading.read(chosen)[0].documents.values())
    with torch.inference_mode():
        states = nn.functional.normalize(torch.cat(own._states(texts, "document")), dim=-1)
    kept = (states @ weight.T).square().sum()
    drawn = torch.linalg.qr(torch.randn(states.shape[1], 8, generator=torch.Generator().manual_seed(0))).Q
    assert kept / len(states) > 0.8
    assert kept > (states @ drawn).square().sum()


def test_an_adapter_can_be_gone_on_with(adapter, collection, tiny_folders, tmp_path):
    """Without lists nothing is trained: body and projection stay what they were, and so does the order."""
    out, figures, _ = adapter
    chosen = settings(collection, out, tmp_path / "out", embedder=str(tiny_folders.embedder), lists=0)
    again, _ = run(chosen)
    assert again["after"] == again["before"] == figures["after"]
    for name in ("adapter_model.safetensors", "1_Dense/model.safetensors"):
        assert (out / name).read_bytes() == (chosen.out / name).read_bytes()


def test_all_weights(make, collection, tiny_folders, tmp_path):
    """With --full the body is trained whole, can be gone on with, and exports as well, with its own window."""
    chosen = settings(collection, tiny_folders.embedder, tmp_path / "out", full=True, lists=8, max_tokens=16)
    run(chosen)
    assert (chosen.out / "model.safetensors").exists()
    bundle = make.export(chosen.out, tmp_path / "bundle", kind="late-interaction")
    assert bundle.manifest.max_tokens > 16
    going_on = settings(
        collection, chosen.out, tmp_path / "more", full=True, lists=8, embedder=str(tiny_folders.embedder)
    )
    run(going_on)


def test_an_interrupted_run_continues(collection, tiny_folders, tmp_path, monkeypatch):
    """A run that is cut off goes on, teacher unasked, and ends with the weights of one that was not."""
    whole = settings(collection, tiny_folders.embedder, tmp_path / "whole", seed=3)
    run(whole)
    cut = settings(collection, tiny_folders.embedder, tmp_path / "cut", seed=3)

    def on_step_begin(self, arguments, state, control, **_):
        if state.global_step == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(training._Progress, "on_step_begin", on_step_begin)
    with pytest.raises(KeyboardInterrupt):
        run(cut)
    monkeypatch.undo()
    _, told = run(cut)
    assert "Continuing from checkpoint-3" in told
    assert not any(line.startswith("Asking the teacher") for line in told)
    for name in ("adapter_model.safetensors", "1_Dense/model.safetensors"):
        assert (whole.out / name).read_bytes() == (cut.out / name).read_bytes()


def test_training_learns(collection, tiny_folders, tmp_path):
    """The loss falls when the same lists are gone through again and again, and the projection moves."""
    chosen = settings(
        collection,
        tiny_folders.embedder,
        tmp_path / "out",
        epochs=12,
        lists=16,
        unlabelled=0.0,
        distill=0.0,
        learning_rate=5e-3,
        evaluate_every=12,
    )
    _, told = run(chosen)
    losses_told = [float(line.rpartition("loss ")[2]) for line in told if "loss" in line]
    assert losses_told[-1] < losses_told[0]


class _Naive(CrossEncoder):
    """Late interaction said as simply as it can be, in the shape of a cross-encoder, for the library's loss."""

    def __init__(self, own):
        nn.Module.__init__(self)
        self._own = own
        self.config = type("Config", (), {"num_labels": 1})

    @property
    def num_labels(self):
        return 1

    @property
    def device(self):
        return torch.device("cpu")

    def preprocess(self, pairs, **_):
        return {"pairs": pairs}

    def forward(self, features):
        scores = []
        for query, passage in features["pairs"]:
            (asked,), (read,) = self._own.vectors([query], "query"), self._own.vectors([passage], "document")
            scores.append(32 * sum(max(q @ d for d in read) for q in asked) / len(asked))
        return {"scores": torch.stack(scores)}


def test_the_loss_is_the_librarys(collection, tiny_folders, tmp_path, monkeypatch):
    """Batches of like length and products of whole lists change no loss and no gradient of sentence-transformers'."""
    monkeypatch.setattr("shortlist.finetune.models.has_bf16", lambda: False)
    chosen = settings(collection, tiny_folders.embedder, tmp_path / "out")
    own = TokenModel(chosen, source.resolve(chosen.base), reading.read(chosen))
    queries = ["red cat", "one sun moon", "sea"]
    passages = [
        ["red cat one.", "dog " * 12],
        ["star", "sun " * 9, "moon, blue green"],
        ["sea hill", "bird two three"],
    ]
    labels = [torch.tensor([0.0, -3.0]), torch.tensor([-1.0, -0.5, -2.0]), torch.tensor([-0.1, -2.3])]
    found = []
    for loss in (losses.TokenLoss(own), ListNetLoss(_Naive(own))):
        own.model.zero_grad()
        value = loss([queries, passages], labels)
        value.backward()
        gradients = [one.grad.clone() for one in own.model.parameters() if one.grad is not None]
        found.append((value.detach(), gradients))
    (ours, mine), (theirs, wanted) = found
    assert len(mine) > 1
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mine, wanted, rtol=1e-3, atol=1e-5)


def test_what_cannot_become_one_is_refused(collection, tiny_folders, tmp_path):
    """A cross-encoder, vectors wider than the body, a model with markers, and a weight of logits, each by name."""
    refused = {
        "is a cross-encoder": settings(
            collection, tiny_folders.reranker, tmp_path / "a", embedder=str(tiny_folders.embedder)
        ),
        "lower --dimensions": settings(collection, tiny_folders.embedder, tmp_path / "b", dimensions=4096),
        "markers, query expansion": settings(
            collection, late_models.pylate(tmp_path / "pylate"), tmp_path / "c", embedder=str(tiny_folders.embedder)
        ),
        "leave it out": settings(collection, tiny_folders.embedder, tmp_path / "d", similarity_weight=2.0),
    }
    for words, chosen in refused.items():
        with pytest.raises(FinetuneError, match=words):
            run(chosen)


def test_the_worth_of_a_bundle_is_measured(make, adapter, collection, tiny_folders, tmp_path, capsys):
    """Dense is worth what stage one is in training's own measurement, and MaxSim what the model is there."""
    out, _, _ = adapter
    embedder = make.export(tiny_folders.embedder, tmp_path / "embedder", variants=("fp32",))
    bundle = make.export(out, tmp_path / "bundle", kind="late-interaction")
    chosen = maxsim_worth.WorthSettings(
        embedder=embedder.path,
        late_interaction=bundle.path,
        folders=(collection,),
        variant="fp32",
        candidates=quality.CANDIDATES,
        kept=tmp_path,
    )
    for _ in range(2):  # the second time with the vectors that the first kept
        assert maxsim_worth.run(chosen) == 0
    first, second = (json.loads(line)[0] for line in capsys.readouterr().out.splitlines())
    assert first == second
    panel = quality.outside(collection, Embedder(embedder.path, str), 40)
    again = settings(collection, out, tmp_path / "again")
    own = TokenModel(again, source.resolve(str(out)), reading.read(again))
    expected = panel.measure(panel.logits(lambda pairs: teachers.by_late_interaction(own, pairs)))
    assert (first["queries"], round(first["dense"], 4)) == (40, expected.stage_one)
    assert first["maxsim"] == pytest.approx(expected.reranked, abs=0.02)  # vectors are stored as int8
    assert first["low"] < first["gain"] < first["high"]
    assert first["gain"] == pytest.approx(first["maxsim"] - first["dense"])
