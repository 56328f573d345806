"""Looks through the folder of a model that somebody else has made, so that loading it runs no code but the libraries'.

Several versions of Sentence Transformers import the module classes that a folder names, from the folder itself, without
asking; Transformers does so where ``auto_map`` is trusted; weights in a pickle may run anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from negatives.errors import ConfigError, InputError
from negatives.regular import regular

OWN = "sentence_transformers."
CLASSES = {
    "type": OWN,
    "types": OWN,
    "tokenizer_class": OWN,
    "activation_function": "torch.nn.",
    "activation_fn": "torch.nn.",
    "parent_library": "transformers.",
}
"""What the name of a class begins with that a configuration may give under a key."""
NAMES_CODE = ("auto_map", "trust_remote_code")
NAMES_A_KERNEL = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal")
PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt", "*.joblib")
MOST = 64 * 2**20
"""Bytes of a configuration at most."""
FILES = 500
"""Configurations of a model at most; models have about ten."""
UNREAD = ("tokenizer.json", "vocab.json", "README.md", "model.safetensors.index.json")
"""What holds no names of classes and may be large."""


def check_folder(folder: Path) -> None:
    """Refuse a model that would bring code of its own.

    Args:
        folder: It holds ``modules.json`` or ``config.json``.

    Raises:
        ConfigError: A configuration names a class outside the libraries, asks to be trusted, or leads out of the
            folder; or weights are there as a pickle only.
    """
    if linked := next((path for path in folder.rglob("*") if path.is_symlink() and path.is_dir()), None):
        raise ConfigError(f"{linked} is a link to a folder; put the folder itself there")
    found = [path for path in folder.rglob("*.json") if path.name not in UNREAD]
    if len(found) > FILES:
        raise ConfigError(f"{folder} holds {len(found):,} configurations, which is no model; {INSTEAD}")
    for path in found:
        for key, value in _pairs(_read(path)):
            if (fault := _fault(key, value)) is not None:
                raise ConfigError(f"{path}: {fault}, and no code of a model's own is run; {INSTEAD}")
    for place in {folder, *(path.parent for path in found)}:
        if not any(place.glob("*.safetensors")) and (pickles := [one for mark in PICKLES for one in place.glob(mark)]):
            raise ConfigError(
                f"{pickles[0]} is a pickle, which may hold code; load it where you trust it and save it as safetensors"
            )


INSTEAD = "use a model that is made of the library's own modules"


def _read(path: Path) -> Any:
    try:
        return json.loads(regular(path, MOST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read as JSON; get the model again") from error
    except InputError as error:
        raise ConfigError(str(error)) from error


def _pairs(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no list or mapping, under the nearest key that says something; mappings too."""
    if isinstance(value, dict):
        for name, one in value.items():
            inner = key if key in CLASSES else name
            yield name, one
            yield from _pairs(one, inner)
    elif isinstance(value, list):
        for one in value:
            yield from _pairs(one, key)
    else:
        yield key, value


def _fault(key: str, value: Any) -> str | None:
    """What is wrong with one value, or None."""
    if key in NAMES_CODE and value:
        return f"{key} asks for code of its own"
    if not isinstance(value, str):
        return None
    if key in CLASSES and ("." in value or key == "parent_library"):
        return None if f"{value}.".startswith(CLASSES[key]) else f"names the class {value!r}"
    if key in NAMES_A_KERNEL and "/" in value:
        return f"names the kernel {value!r}"
    if key == "path" and (PurePath(value).is_absolute() or ".." in PurePath(value).parts):
        return f"leads out of the folder, to {value!r}"
    return None
