"""The supported architectures as tiny configurations, and the kind of tokenizer that models of each come with."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import transformers
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors, trainers
from tokenizers import models as algorithms
from transformers import PreTrainedTokenizerFast

from shortlist.export import texts

WIDTH = 32
WINDOW = 48
_WORDS = 600  # of a vocabulary, about

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


def config(family: str, words: int, **settings: Any) -> transformers.PretrainedConfig:
    """Return a tiny configuration of the family, for so many words."""
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
    found: transformers.PretrainedConfig = getattr(transformers, f"{made.prefix}Config")(**sizes, **settings)
    return found


@functools.cache
def tokenizer_of(family: str) -> PreTrainedTokenizerFast:
    """Make a tokenizer of the family's kind of the texts that exports are tried on, the same in every process."""
    made = FAMILIES[family]
    given = [text for pair in texts.questions_and_passages() for text in pair]
    unknown = next(token for token in made.tokens if "unk" in token.lower())
    match made.algorithm:
        case "BPE":
            fast = Tokenizer(algorithms.BPE(unk_token=unknown))
            fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            trainer = trainers.BpeTrainer(
                vocab_size=_WORDS,
                special_tokens=list(made.tokens),
                initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            )
            fast.train_from_iterator(given, trainer)
        case "Unigram":  # what becomes of a sentencepiece model
            fast = Tokenizer(algorithms.Unigram())
            fast.normalizer = normalizers.Sequence(
                [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]  # no precompiled map in a made one
            )
            fast.pre_tokenizer = pre_tokenizers.Metaspace()
            pieces = _pieces(fast, given, _WORDS - len(made.tokens))
            scored = [(token, 0.0) for token in made.tokens]
            scored += [(piece, -math.log(place + 2)) for place, piece in enumerate(pieces)]
            fast.model = algorithms.Unigram(scored, made.tokens.index(unknown))
        case "WordPiece":
            fast = Tokenizer(algorithms.WordPiece(unk_token=unknown))
            fast.normalizer = normalizers.BertNormalizer(lowercase=True)
            fast.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
            pieces = _pieces(fast, given, _WORDS * 3 // 5)  # each twice: at the beginning of a word, and inside
            words = [*made.tokens, *pieces, *(f"##{piece}" for piece in pieces)]
            fast.model = algorithms.WordPiece({word: place for place, word in enumerate(words)}, unk_token=unknown)
    fast.add_special_tokens(list(made.tokens))
    fast.post_processor = _ends(family)
    tokenizer: PreTrainedTokenizerFast = getattr(transformers, made.tokenizer)(
        tokenizer_object=fast, model_max_length=WINDOW, **_roles(made)
    )
    return tokenizer


def _pieces(fast: Tokenizer, given: Sequence[str], most: int) -> list[str]:
    """Learn pieces of words by BPE: what the other trainers learn hangs on the order of a hash table."""
    learner = Tokenizer(algorithms.BPE())
    learner.normalizer, learner.pre_tokenizer = fast.normalizer, fast.pre_tokenizer
    learner.train_from_iterator(given, trainers.BpeTrainer(vocab_size=most))
    return sorted(learner.get_vocab(), key=learner.get_vocab().__getitem__)


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
