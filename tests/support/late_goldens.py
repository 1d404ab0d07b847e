"""Late-interaction models that their own libraries saved, and what these made of texts: `late_interaction/`.

Each library wants an environment of its own, so this is run once in each, and what it writes is committed:

    python tests/support/late_goldens.py bodies BODIES             here: the transformers that the models are made of
    python tests/support/late_goldens.py sentence-transformers BODIES    sentence-transformers 6.2
    python tests/support/late_goldens.py pylate BODIES             PyLate 1.6 (its index, fast_plaid, is left out)
    python tests/support/late_goldens.py stanford BODIES           colbert-ai 0.2.22
"""

import json
import string
import sys
import types
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers import models as algorithms

HERE = Path(__file__).parent / "late_interaction"
WIDTH, DIMENSIONS, QUERY_TOKENS, DOCUMENT_TOKENS, POSITIONS = 16, 8, 12, 24, 40

QUERIES = (
    "who printed the first book?",
    "Ink",
    "",
    "what did the press of paper print on the first day of the old mill, and who read it there",
)
DOCUMENTS = (
    "The first book was printed on a press.",
    "ink; paper - (metal type) don't print!",
    "",
    "old mill " * 30,
    "[MASK] a [Q] b [unused0] c [SEP] d [PAD] e",
    "`~ \u00e9t\u00e9 \u6771 ^ x",
)
_WORDS = (
    "the a of on it is was and who what did first book ink paper press print ##ed ##s old mill day read metal type"
)
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# Some signs are no tokens: libraries differ in what they then skip.
_SIGNS = [sign for sign in string.punctuation if sign not in "`~^"]


def bodies(folder: Path) -> None:
    """Save a BERT with a WordPiece tokenizer, and a ModernBERT with a byte-level one."""
    from transformers import (  # noqa: PLC0415
        BertConfig,
        BertModel,
        BertTokenizerFast,
        ModernBertConfig,
        ModernBertModel,
        PreTrainedTokenizerFast,
    )

    letters = string.ascii_lowercase + string.digits
    words = [
        *_SPECIAL,
        "[unused0]",
        "[unused1]",
        *_SIGNS,
        *letters,
        *(f"##{one}" for one in letters),
        *_WORDS.split(),
    ]
    words = list(dict.fromkeys(words))
    fast = Tokenizer(algorithms.WordPiece({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    fast.normalizer = normalizers.BertNormalizer(lowercase=True)
    fast.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    _ends(fast)
    sizes = {"hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_attention_heads": 2}
    sizes |= {"num_hidden_layers": 2, "max_position_embeddings": POSITIONS, "pad_token_id": 0}
    _save(
        BertModel(BertConfig(vocab_size=len(words), **sizes)),
        BertTokenizerFast(tokenizer_object=fast, model_max_length=POSITIONS),
        folder / "bert",
    )
    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    byte = Tokenizer(algorithms.BPE({one: place for place, one in enumerate([*_SPECIAL, *signs])}, []))
    byte.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    _ends(byte)
    roles = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    names = {"cls": 2, "bos": 2, "sep": 3, "eos": 3}
    _save(
        ModernBertModel(
            ModernBertConfig(
                vocab_size=len(_SPECIAL) + len(signs),
                local_attention=8,
                global_rope_theta=20_000.0,
                local_rope_theta=500.0,
                **sizes,
                **{f"{name}_token_id": one for name, one in names.items()},
            )
        ),
        PreTrainedTokenizerFast(
            tokenizer_object=byte,
            model_max_length=POSITIONS,
            model_input_names=["input_ids", "attention_mask"],
            **roles,
        ),
        folder / "modernbert",
    )


def sentence_transformers(folder: Path) -> None:
    """Let sentence-transformers 6 save and run a model that expands and pools, and one that does neither."""
    from sentence_transformers import MultiVectorEncoder  # noqa: PLC0415
    from sentence_transformers.base.modules import Dense, Normalize, Transformer  # noqa: PLC0415
    from sentence_transformers.multi_vector_encoder.modules import (  # noqa: PLC0415
        HierarchicalTokenPooling,
        MultiVectorMask,
    )

    expansion = {"strategy": "fixed", "attend": False, "length": QUERY_TOKENS}
    cases: dict[str, tuple[str, dict[str, Any], list[str], Any, list[Any]]] = {
        "sentence-transformers-bert": (
            "bert",
            {"query_expansion": expansion},
            list(string.punctuation),
            False,
            [HierarchicalTokenPooling(2.0)],
        ),
        "sentence-transformers-min": (
            "bert",
            {"query_expansion": {**expansion, "strategy": "min", "attend": True}, "query_length": 2 * QUERY_TOKENS},
            [],
            True,
            [],
        ),
        "sentence-transformers-modernbert": ("modernbert", {"query_length": QUERY_TOKENS}, ["."], False, []),
    }
    for name, (body, settings, skipped, residual, last) in cases.items():
        torch.manual_seed(11)
        transformer = Transformer(str(folder / body), document_length=DOCUMENT_TOKENS, **settings)
        on = {"module_input_name": "token_embeddings"}
        dense = Dense(WIDTH, DIMENSIONS, bias=False, activation_function=None, use_residual=residual, **on)
        modules = [transformer, dense, MultiVectorMask(skipped), Normalize(**on), *last]
        model = MultiVectorEncoder(modules=modules, prompts={"query": "[Q] ", "document": "[D] "}, device="cpu")
        _marked(model[0].tokenizer, model[0].model, special=True)
        _drawn(model)
        model.save(str(HERE / name), create_model_card=False)
        loaded = MultiVectorEncoder(str(HERE / name), device="cpu")
        queries = loaded.encode_query(list(QUERIES), batch_size=1, convert_to_numpy=True)
        documents = loaded.encode_document(list(DOCUMENTS), batch_size=1, convert_to_numpy=True)
        _write(name, queries, documents, loaded.similarity(queries, documents).numpy())


def pylate(folder: Path) -> None:
    """Let PyLate save and run a model that expands, one that attends to it, and one that does not expand."""
    for name in ("fast_plaid", "fast_plaid.search"):
        sys.modules[name] = types.ModuleType(name)  # its index, of another PyTorch
    sys.modules["fast_plaid"].search = sys.modules["fast_plaid.search"]
    from pylate import models, scores  # noqa: PLC0415

    cases: dict[str, tuple[str, dict[str, Any]]] = {
        "pylate-bert": ("bert", {}),
        "pylate-attended": (
            "bert",
            {
                "attend_to_expansion_tokens": True,
                "skiplist_words": [],
                "query_prefix": "[unused0]",
                "document_prefix": "[unused1]",
            },
        ),
        "pylate-modernbert": ("modernbert", {"do_query_expansion": False}),
    }
    for name, (body, settings) in cases.items():
        torch.manual_seed(12)
        lengths = {"query_length": QUERY_TOKENS, "document_length": DOCUMENT_TOKENS}
        model = models.ColBERT(str(folder / body), embedding_size=DIMENSIONS, device="cpu", **lengths, **settings)
        _drawn(model)
        model.save(str(HERE / name), create_model_card=False)
        loaded = models.ColBERT(str(HERE / name), device="cpu")
        queries = loaded.encode(list(QUERIES), batch_size=1, is_query=True)
        documents = loaded.encode(list(DOCUMENTS), batch_size=1, is_query=False)
        found = [[scores.colbert_scores(_t(query), _t(one)).item() for one in documents] for query in queries]
        _write(name, queries, documents, np.array(found, np.float32))


def stanford(folder: Path) -> None:
    """Let Stanford's ColBERT save and run a model that skips punctuation, and one that attends to its expansion."""
    from colbert.infra import ColBERTConfig  # noqa: PLC0415
    from colbert.modeling import colbert  # noqa: PLC0415
    from colbert.modeling.checkpoint import Checkpoint  # noqa: PLC0415

    colbert.ColBERT.loaded_extensions = True  # a faster MaxSim in C++, which it would compile, and which is not run
    cases: dict[str, dict[str, Any]] = {
        "stanford-bert": {},
        "stanford-attended": {"attend_to_mask_tokens": True},
    }
    for name, settings in cases.items():
        torch.manual_seed(13)
        lengths = {"query_maxlen": QUERY_TOKENS, "doc_maxlen": DOCUMENT_TOKENS, "dim": DIMENSIONS}
        started = ColBERTConfig(checkpoint=str(folder / "bert"), **lengths, **settings)
        model = Checkpoint(str(folder / "bert"), started, verbose=0)
        _drawn(model.model)
        model.save(str(HERE / name))
        said = json.loads((HERE / name / "artifact.metadata").read_text(encoding="utf-8"))
        where = ("checkpoint", "root", "experiment", "name", "meta")  # and when
        kept = {key: value for key, value in said.items() if key not in where}
        (HERE / name / "artifact.metadata").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        loaded = Checkpoint(str(HERE / name), ColBERTConfig(), verbose=0)
        queries = [loaded.queryFromText([text])[0] for text in QUERIES]
        documents = [loaded.docFromText([text], keep_dims=False)[0] for text in DOCUMENTS]
        found = [
            [colbert.colbert_score(query[None], one[None], _all(one)).item() for one in documents]
            for query in queries
        ]
        _write(
            name,
            [query.numpy() for query in queries],
            [document.numpy() for document in documents],
            np.array(found, np.float32),
        )


def _save(model: Any, tokenizer: Any, folder: Path) -> None:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _ends(fast: Tokenizer) -> None:
    fast.add_special_tokens(_SPECIAL)
    fast.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )


def _marked(tokenizer: Any, model: Any, *, special: bool) -> None:
    tokenizer.add_tokens(["[Q] ", "[D] "], special_tokens=special)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)


def _drawn(model: torch.nn.Module) -> None:
    """Draw weights wider than they are initialized, from numbers that are the same everywhere."""
    rng = np.random.default_rng(1)
    with torch.no_grad():
        for _, weight in sorted(model.named_parameters()):
            if weight.ndim > 1:
                drawn = rng.normal(scale=0.6, size=tuple(weight.shape))
                weight.copy_(torch.from_numpy(drawn.astype(np.float32)))


def _write(name: str, queries: Any, documents: Any, maxsim: np.ndarray) -> None:
    arrays = {f"query_{place}": one for place, one in enumerate(queries)}
    arrays |= {f"document_{place}": one for place, one in enumerate(documents)}
    np.savez_compressed(HERE / name / "vectors.npz", maxsim=maxsim, **arrays)
    installed = ("sentence-transformers", "pylate", "colbert-ai", "transformers", "tokenizers", "torch")
    made = {one: version for one in installed if (version := _version(one))}
    (HERE / name / "made_by.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    print(name, maxsim.round(3).tolist(), [len(one) for one in queries], [len(one) for one in documents])


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _t(vectors: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(vectors)[None]


def _all(vectors: torch.Tensor) -> torch.Tensor:
    return torch.ones(1, len(vectors), 1, dtype=torch.bool)


if __name__ == "__main__":
    making = {
        "bodies": bodies,
        "sentence-transformers": sentence_transformers,
        "pylate": pylate,
        "stanford": stanford,
    }
    making[sys.argv[1]](Path(sys.argv[2]))
