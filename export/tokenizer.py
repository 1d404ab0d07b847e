"""A model's tokenizer into a bundle, and the window that it fills.

Truncation and padding are switched off in the file that is written: a model's own `tokenizer.json` may truncate and
pad to any length (that of all-MiniLM-L6-v2 to 128, though its window is 256), and the manifest decides.
"""

from dataclasses import dataclass
from pathlib import Path

from tokenizers.normalizers import Lowercase, Sequence
from transformers import AutoTokenizer, PretrainedConfig

from shortlist.export.errors import ExportError
from shortlist.export.layout import Layout
from shortlist.export.quiet import quiet
from shortlist.export.source import Origin

UNLIMITED = 1 << 30  # transformers writes 1e30 for a tokenizer without a limit


@dataclass(frozen=True, slots=True)
class Written:
    """Say what was written."""

    path: Path
    pad_token_id: int
    max_tokens: int


def write(
    origin: Origin, layout: Layout, config: PretrainedConfig, positions: int, asked_tokens: int, path: Path
) -> Written:
    """Write `tokenizer.json` and settle the window.

    Args:
        origin: the model's files.
        layout: what sentence-transformers' own configuration says.
        config: the transformer's own.
        positions: how many tokens have one, which limits the window.
        asked_tokens: the window that was asked for; 0 takes the model's own.
        path: where to write.

    Raises:
        ExportError: there is no fast tokenizer, or no window that the model can hold.
    """
    folder = origin.folder / layout.body
    if origin.adapter is not None and (origin.adapter / "tokenizer_config.json").is_file():
        folder = origin.adapter
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)  # type: ignore[no-untyped-call]
    except Exception as error:  # transformers checks little: a file that is not there may end in any error
        reason = str(error).strip().split("\n", 1)[0]
        raise ExportError(f"{origin.name}: its tokenizer cannot be loaded: {reason}") from error
    if not tokenizer.is_fast:
        raise ExportError(
            f"{origin.name} has the tokenizer {type(tokenizer).__name__}, which has no fast form (tokenizer.json)"
        )
    fast = tokenizer.backend_tokenizer
    if layout.lower_case:
        fast.normalizer = Sequence([Lowercase(), *filter(None, [fast.normalizer])])
    fast.no_truncation()
    fast.no_padding()
    fast.save(str(path))
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else config.pad_token_id
    own_tokens = layout.window_tokens or tokenizer.model_max_length
    return Written(path, pad or 0, _window(origin.name, own_tokens, positions, asked_tokens))


def _window(name: str, own_tokens: int, positions: int, asked_tokens: int) -> int:
    limit = min(own_tokens, positions)
    if asked_tokens > positions:
        raise ExportError(
            f"max_tokens is {asked_tokens}, but {name} has {positions} positions; ask for fewer or leave it out"
        )
    if not asked_tokens and limit >= UNLIMITED:
        raise ExportError(f"{name} names no window; set it with --max-tokens")
    return asked_tokens or limit
