"""Fine-tuning tiny random models end to end: adapter, export, all weights, continuation, card."""

import json
import random

import pytest
import torch
from sentence_transformers.cross_encoder.losses import ListNetLoss

from shortlist.cli import main
from shortlist.export import source
from shortlist.finetune import app, losses, models, training
from shortlist.finetune.errors import FinetuneError
from shortlist.finetune.settings import FinetuneSettings

pytestmark = pytest.mark.filterwarnings("ignore")  # what the training libraries warn of is theirs

WORDS = ("red", "green", "blue", "one", "two", "three", "cat", "dog", "bird", "sun", "moon", "star", "sea", "hill")


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    """Write a collection: each query is two words of its document."""
    folder = tmp_path_factory.mktemp("collection")
    drawn = random.Random(1)
    texts = [drawn.sample(WORDS, 8) for _ in range(40)]
    write(folder / "corpus.jsonl", ({"_id": f"d{i}", "text": " ".join(words)} for i, words in enumerate(texts)))
    write(folder / "queries.jsonl", ({"_id": f"q{i}", "text": " ".join(words[:2])} for i, words in enumerate(texts)))
    rows = "".join(f"q{i}\td{i}\t1\n" for i in range(40))
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + rows)
    return folder


def write(path, entries):
    """Write JSON lines."""
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def settings(collection, base, out, **changes):
    """Return settings of a run that takes a second."""
    quick = {"held_out": 8, "passages": 4, "rank": 2, "max_tokens": 40, "evaluate_every": 3, "batch_lists": 4}
    return FinetuneSettings(base=str(base), out=out, **{"sets": (str(collection),), **quick, **changes})


def run(chosen):
    """Run and return the figures and what was told."""
    told = []
    return app.run(chosen, told.append), told


@pytest.fixture(scope="module")
def adapter(collection, tiny_folders, tmp_path_factory):
    """Fine-tune an adapter on a dual encoder's body, with an outside set."""
    out = tmp_path_factory.mktemp("adapter") / "out"
    figures, told = run(settings(collection, tiny_folders.embedder, out, outside=collection, licence="CC0"))
    return out, figures, told


def test_a_dual_encoder_becomes_an_adapter(adapter):
    """The weights are an adapter with its card; checkpoints are gone, and nothing else is left."""
    out, _, _ = adapter
    assert {path.name for path in out.iterdir()} == {
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
    }


def test_the_figures_are_told(adapter, collection):
    """Teacher and model, before and after, are measured on both sets, stage one beside, and the loss is told."""
    _, figures, told = adapter
    held_out = f"{collection.name}, held out"
    assert [set(figures[when]) for when in ("teacher", "before", "after")] == [{held_out, collection.name}] * 3
    assert set(figures["after"][held_out]) == {"stage_one", "reranked", "fused", "calibration_error"}
    assert any("loss" in line for line in told)


def test_the_last_step_counts(adapter):
    """The last step is measured, though it is no multiple of `evaluate_every`: the best weights may be its."""
    measured = [int(line.split()[1].rstrip(":")) for line in adapter[2] if "mean ndcg@10" in line]
    assert measured == [3, 6, 8]


def test_the_card_says_what_it_is(adapter, tiny_folders):
    """The card names base, data, licence, settings and figures."""
    card = (adapter[0] / "README.md").read_text()
    for part in (str(tiny_folders.embedder), "CC0", '"rank": 2', ", held out", "| 40 | 40 | 40 |"):
        assert part in card


def test_the_adapter_exports(make, adapter, tmp_path):
    """What fine-tuning writes is what export takes."""
    bundle = make.export(adapter[0], tmp_path / "bundle", kind="reranker")
    assert bundle.manifest.kind == "reranker"


def test_an_adapter_can_be_gone_on_with(adapter, collection, tiny_folders, tmp_path):
    """An adapter is a base too, and stays one for the same model."""
    chosen = settings(collection, adapter[0], tmp_path / "out", embedder=str(tiny_folders.embedder), lists=8)
    run(chosen)
    config, before = (
        json.loads((folder / "adapter_config.json").read_text()) for folder in (tmp_path / "out", adapter[0])
    )
    assert config["base_model_name_or_path"] == str(tiny_folders.embedder)
    assert sorted(config["modules_to_save"]) == sorted(set(before["modules_to_save"]))


def test_all_weights(make, collection, tiny_folders, tmp_path):
    """With --full a cross-encoder is trained whole, with a cross-encoder as its teacher, and exports as well."""
    chosen = settings(
        collection,
        tiny_folders.reranker,
        tmp_path / "out",
        full=True,
        embedder=str(tiny_folders.embedder),
        teacher=str(tiny_folders.reranker),
        lists=8,
    )
    run(chosen)
    assert (tmp_path / "out" / "model.safetensors").exists()
    assert make.export(tmp_path / "out", tmp_path / "bundle").manifest.kind == "reranker"


def test_pairs(collection, tiny_folders, tmp_path):
    """JSON lines of query, positive and negatives are trained on beside a collection, by their weights."""
    texts = [json.loads(line)["text"] for line in (collection / "corpus.jsonl").read_text().splitlines()]
    write(
        tmp_path / "pairs.jsonl",
        ({"query": text[:9], "positive": text, "negatives": texts[:3]} for text in texts[3:]),
    )
    both = {"sets": (f"{collection}=1",), "pairs": (f"{tmp_path / 'pairs.jsonl'}=3",)}
    figures, told = run(settings(collection, tiny_folders.embedder, tmp_path / "out", lists=8, **both))
    assert set(figures["after"]) == {f"{collection.name}, held out", "pairs, held out"}
    assert "pairs: 6 lists of 33 queries" in told


def test_an_interrupted_run_continues(collection, tiny_folders, tmp_path, monkeypatch):
    """A run that is cut off goes on from its checkpoint and ends with the weights of one that was not."""
    whole = settings(collection, tiny_folders.embedder, tmp_path / "whole", seed=3)
    run(whole)
    cut = settings(collection, tiny_folders.embedder, tmp_path / "cut", seed=3)
    stop_at(monkeypatch, 4)
    with pytest.raises(KeyboardInterrupt):
        run(cut)
    monkeypatch.undo()
    _, told = run(cut)
    assert "Continuing from checkpoint-3" in told
    name = "adapter_model.safetensors"
    assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()


def stop_at(monkeypatch, step):
    """Interrupt training at a step, as Ctrl-C would."""

    def on_step_begin(self, arguments, state, control, **_):
        if state.global_step == step:
            raise KeyboardInterrupt

    monkeypatch.setattr(training._Progress, "on_step_begin", on_step_begin)


def test_other_settings_do_not_continue(collection, tiny_folders, tmp_path):
    """Checkpoints of another run are not taken for this one's."""
    training.claim(settings(collection, tiny_folders.embedder, tmp_path, seed=1))
    with pytest.raises(FinetuneError, match="other settings"):
        run(settings(collection, tiny_folders.embedder, tmp_path, seed=2))


def test_a_finished_model_is_not_overwritten(adapter, collection, tiny_folders):
    """A folder with a model card is somebody's model."""
    with pytest.raises(FinetuneError, match="holds a finished model"):
        run(settings(collection, tiny_folders.embedder, adapter[0]))


def test_a_cross_encoder_needs_an_embedder(collection, tiny_folders, tmp_path):
    """A cross-encoder alone finds no candidates."""
    with pytest.raises(FinetuneError, match="name a dual encoder with --embedder"):
        run(settings(collection, tiny_folders.reranker, tmp_path / "out"))


def test_the_command(collection, tiny_folders, tmp_path, capsys):
    """`shortlist finetune` prints the figures as JSON; bad data is one line and exit code 2."""
    sets = f"--sets={collection}"
    shared = ["finetune", f"--base={tiny_folders.embedder}", sets, "--passages=4", "--lists=4", "--rank=2"]
    assert main.main([*shared, f"--out={tmp_path / 'out'}", "--held-out=4"]) == 0
    assert "after" in json.loads(capsys.readouterr().out)
    assert main.main([*shared, f"--out={tmp_path / 'none'}", "--held-out=40"]) == 2
    assert "none is left to train on" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_an_exported_embedder_finds_candidates(make, collection, tiny_folders, tmp_path):
    """A bundle finds what its model finds, and where no order is distilled nobody is asked."""
    bundle = make.export(tiny_folders.embedder, tmp_path / "bundle", variants=("fp32",))
    found = []
    for name, embedder in (("exported", bundle.path), ("own", "")):
        chosen = settings(
            collection,
            tiny_folders.embedder,
            tmp_path / name,
            embedder=str(embedder),
            unlabelled=0.0,
            distill=0.0,
            lists=8,
        )
        figures, told = run(chosen)
        assert "teacher" not in figures
        assert not any("teacher" in line.lower() for line in told)
        found.append(figures["after"][f"{collection.name}, held out"])
    assert found[0] == found[1]


def test_the_loss_is_the_librarys(tiny_folders, collection, tmp_path):
    """Sorting pairs by length changes no loss and no gradient: sentence-transformers' ListNetLoss says the same."""
    chosen = settings(collection, tiny_folders.reranker, tmp_path / "out")
    model = models.student(chosen, source.resolve(chosen.base))
    queries = ["red cat", "one sun moon", "sea"]
    passages = [["red cat one", "dog " * 12], ["star", "sun " * 9, "moon blue green"], ["sea hill", "bird two three"]]
    labels = [torch.tensor([0.0, -3.0]), torch.tensor([-1.0, -0.5, -2.0]), torch.tensor([-0.1, -2.3])]
    found = []
    for loss in (losses.PairLoss(model), ListNetLoss(model)):
        model.zero_grad()
        value = loss([queries, passages], labels)
        value.backward()
        gradients = [one.grad.clone() for one in model.parameters() if one.grad is not None]
        found.append((value.detach(), gradients))
    (ours, mine), (theirs, wanted) = found
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mine, wanted, rtol=1e-3, atol=1e-5)


def test_an_exported_reranker_teaches(make, collection, tiny_folders, tmp_path):
    """A bundle's order is distilled as its model's is, with the similarity at the weight that it recommends."""
    bundle = make.export(tiny_folders.reranker, tmp_path / "bundle", variants=("fp32",), similarity_weight=3.0)
    found = []
    for teacher in (bundle.path, tiny_folders.reranker):
        chosen = settings(
            collection,
            tiny_folders.embedder,
            tmp_path / f"out-{len(found)}",
            teacher=str(teacher),
            distill=0.0,
            lists=8,
        )
        figures, told = run(chosen)
        found.append(figures["teacher"][f"{collection.name}, held out"])
        assert any(line.startswith("Asking the teacher") for line in told)
    assert found[0] != found[1]
    assert "similarity at weight 3" in (tmp_path / "out-0" / "README.md").read_text()


def test_without_lists_scores_are_calibrated(adapter, collection, tiny_folders, tmp_path):
    """With --lists 0 nothing is trained: the order stays, and the scores are fitted."""
    same = {"lists": 0, "held_out": 30, "embedder": str(tiny_folders.embedder)}
    figures, told = run(settings(collection, adapter[0], tmp_path / "out", **same))
    (before,), (after,) = (figures[when].values() for when in ("before", "after"))
    assert after["reranked"] == before["reranked"]
    assert after["calibration_error"] < 0.05
    assert any(line.startswith("Calibrated: ") for line in told)
    assert not any("loss" in line for line in told)
