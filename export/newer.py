"""What transformers 5 saves, as transformers 4.57 reads it: a tokenizer's class, and the angles of rotary positions.

Without it a tokenizer would not load, and a model would take the angles that its architecture has by default, in
PyTorch and in the graph alike, so that no comparison could tell.
"""

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerFast

from .errors import ExportError
from .source import read_json

_FAST = "TokenizersBackend"  # PreTrainedTokenizerFast, as transformers 5 calls it
_ROTARY = "rope_parameters"
# transformers 4.57's names of ModernBERT's two kinds of layer.
_THETAS = {"full_attention": "global_rope_theta", "sliding_attention": "local_rope_theta"}


def tokenizer(folder: Path, **settings: Any) -> Any:
    """Load a folder's tokenizer."""
    path = folder / "tokenizer_config.json"
    if path.is_file() and read_json(path).get("tokenizer_class") == _FAST:
        return PreTrainedTokenizerFast.from_pretrained(folder, **settings)
    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, **settings)  # type: ignore[no-untyped-call]


def config_settings(name: str, config: Any) -> dict[str, Any]:
    """Return the settings of a config.json that transformers 4.57 has under other names.

    Args:
        name: the model's.
        config: its config.json.

    Raises:
        ExportError: it has none for them.
    """
    found = config.get(_ROTARY)
    if not found:
        return {}
    plain = set(found) == set(_THETAS) and all(one.get("rope_type") == "default" for one in found.values())
    if config.get("model_type") == "modernbert" and plain:
        return {_THETAS[layers]: one["rope_theta"] for layers, one in found.items()}
    raise ExportError(
        f"{name} has the positions {found} ({_ROTARY} of its config.json), which transformers 5 wrote and"
        " transformers 4.57, which exports, does not read; save it again with transformers 4.57"
    )
