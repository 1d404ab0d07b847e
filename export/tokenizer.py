"""A model's tokenizer into a bundle, and the window that it fills.

Of truncation the file that is written keeps the side alone, and of padding nothing: a model's own `tokenizer.json`
may truncate and pad to any length (that of all-MiniLM-L6-v2 to 128, though its window is 256), and the manifest
decides.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tokenizers.normalizers import Lowercase, Sequence
from transformers import PretrainedConfig

from shortlist.server.errors import first_line
from shortlist.server.runtime.manifest import LEAST_WINDOW

from . import newer
from .errors import ExportError
from .layout import Layout
from .silence import quiet
from .source import Origin

UNLIMITED = 1 << 30  # transformers writes 1e30 for a tokenizer without a limit
_TYPES = "token_type_ids"


@dataclass(frozen=True, slots=True)
class Written:
    """A tokenizer that was written, and how texts are read with it."""

    tokenizer: Path
    pad_token_id: int
    max_tokens: int
    own_window: bool = True  # whether the model's own configuration says `max_tokens`

    def narrowed(self, most_tokens: int) -> "Written":
        """Return the same with a window of at most so many tokens."""
        return replace(self, max_tokens=min(self.max_tokens, most_tokens))


@dataclass(frozen=True, slots=True)
class Limits:
    """What a model can take: tokens of a text, and rows of its embedding table (None: not known)."""

    positions: int
    rows: int | None


def write(
    tokenizer: Any, name: str, layout: Layout, config: PretrainedConfig, limits: Limits, asked_tokens: int, path: Path
) -> Written:
    """Write `tokenizer.json` and settle the window.

    Args:
        tokenizer: as `loaded` returns it.
        name: the model's.
        layout: what sentence-transformers' own configuration says.
        config: the transformer's own.
        limits: what the model can take.
        asked_tokens: the window that was asked for; 0 takes the model's own.
        path: where to write.

    Raises:
        ExportError: there is no fast tokenizer, it makes tokens that the model does not have, or there is no window
            that the model can hold.
    """
    if not tokenizer.is_fast:
        raise ExportError(
            f"{name} has the tokenizer {type(tokenizer).__name__}, which has no fast form (tokenizer.json)"
        )
    fast = tokenizer.backend_tokenizer
    _check_rows(name, fast, limits.rows)
    if layout.lower_case and not _lowers(fast.normalizer):
        fast.normalizer = Sequence([Lowercase(), *filter(None, [fast.normalizer])])
    own_tokens = int(min(tokenizer.model_max_length, UNLIMITED))
    window = _window(name, own_tokens, limits.positions, asked_tokens)
    fast.no_padding()
    fast.no_truncation()
    if tokenizer.truncation_side == "left":
        fast.enable_truncation(window, direction="left")
    fast.save(str(path))
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else config.pad_token_id
    return Written(path, pad or 0, window, window == own_tokens)


def loaded(origin: Origin, layout: Layout) -> Any:
    """Load a model's tokenizer as sentence-transformers does.

    Raises:
        ExportError: there is none, or it is damaged.
    """
    folder = origin.folder / layout.body
    if origin.adapter is not None and (origin.adapter / "tokenizer_config.json").is_file():
        folder = origin.adapter
    given = dict(layout.tokenizer_settings)
    if layout.window_tokens is not None:
        given.setdefault("model_max_length", layout.window_tokens)
    try:
        with quiet():
            return newer.tokenizer(folder, **given)
    except Exception as error:  # transformers checks little: a file that is not there may end in any error
        raise ExportError(f"{origin.name}: its tokenizer cannot be loaded: {first_line(error)}") from error


def tells_types(tokenizer: Any) -> bool:
    """Return whether a model is told which of a pair's texts a token belongs to; if not, all are of the first."""
    return _TYPES in tokenizer.model_input_names


def _lowers(normalizer: Any) -> bool:
    """Return whether a normalizer is one that sentence-transformers takes for lower-casing."""
    return any(
        isinstance(one, Lowercase) for one in (normalizer if isinstance(normalizer, Sequence) else [normalizer])
    )


def _check_rows(name: str, fast: Any, rows: int | None) -> None:
    """Refuse tokens that the embedding table has no row for: PyTorch fails on any text that holds one."""
    words = fast.get_vocab(with_added_tokens=True)
    last = max(words, key=words.__getitem__)
    if rows is not None and words[last] >= rows:
        raise ExportError(
            f"{name}: its tokenizer has the token {last!r} with the id {words[last]}, but its embedding table has"
            f" {rows} rows; give it as many as the tokenizer has tokens (resize_token_embeddings({words[last] + 1}))"
            " and train them, or take the token out of the tokenizer"
        )


def _window(name: str, own_tokens: int, positions: int, asked_tokens: int) -> int:
    limit = min(own_tokens, positions)
    if asked_tokens > positions:
        raise ExportError(
            f"max_tokens is {asked_tokens}, but {name} has {positions} positions; ask for fewer or leave it out"
        )
    if not asked_tokens and limit >= UNLIMITED:
        raise ExportError(f"{name} names no window; set it with --max-tokens")
    window = asked_tokens or limit
    if window < LEAST_WINDOW:
        raise ExportError(f"{name} has a window of {window} tokens, but the server needs {LEAST_WINDOW}")
    return window
