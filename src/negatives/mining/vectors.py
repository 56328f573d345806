"""Vectors of texts on disk: written block by block, found again by what made them, mapped when read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from negatives.data.offline.sources import cache_folder
from negatives.errors import InputError
from negatives.mining.search import Vectors
from negatives.temporary import sweep
from negatives.training.files import replacing

Encode = Callable[[Sequence[str]], Tensor]
"""Gives vectors ``(n, d)`` of texts."""
BLOCK = 2048
TABLES = ("queries", "items")
"""Names of the files in a folder of vectors."""


def embedded(texts: Sequence[str], encode: Encode, key: str, folder: Path | None = None) -> Vectors:
    """Vectors of texts at unit length ``(n, d)``, mapped from a file that is made when it is not there.

    Args:
        texts: The texts.
        encode: The model.
        key: What makes the vectors: the fingerprint of the weights, and the side that is encoded.
        folder: Where to keep the file; the user's cache folder when left out.
    """
    folder = folder or cache_folder() / "vectors"
    digest = hashlib.sha256(key.encode())
    for text in texts:
        raw = text.encode()
        digest.update(f"{len(raw)}:".encode() + raw)
    path = folder / f"{digest.hexdigest()[:32]}.npy"
    sweep(folder, deep=False)
    if not path.exists():
        _write(texts, encode, path)
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


def _write(texts: Sequence[str], encode: Encode, path: Path) -> None:
    """Encode block by block into a file that gets its name only when it is whole."""
    with replacing(path) as temporary:
        table: Vectors | None = None
        for start in range(0, len(texts), BLOCK):
            block = encode(texts[start : start + BLOCK]).detach().float().cpu().numpy()
            block = block / np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-12)
            if table is None:
                shape = (len(texts), block.shape[1])
                table = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
            table[start : start + len(block)] = block
        assert table is not None
        table.flush()  # type: ignore[attr-defined]


def vector_files(path: Path | None) -> list[Path]:
    """The files that :func:`read_vectors` reads."""
    if path is None:
        return []
    return [path / f"{name}.npy" for name in TABLES] if path.is_dir() else [path]


def read_vectors(path: Path) -> tuple[Vectors, Vectors]:
    """Vectors of queries and items: a folder with ``queries.npy`` and ``items.npy``, which are mapped, or a safetensors
    file with the tables ``queries`` and ``items``.

    Raises:
        InputError: Something is missing or damaged, or the vectors differ in length.
    """
    if path.is_dir():
        left, right = map(_mapped, vector_files(path))
    else:
        left, right = _tables(path)
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1]:
        raise InputError(
            f"queries of shape {left.shape} and items of shape {right.shape} do not fit",
            path=path,
            hint="give vectors of one length",
        )
    return left, right


def _mapped(path: Path) -> Vectors:
    try:
        return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]
    except FileNotFoundError:
        raise InputError("no such file", path=path, hint="give queries.npy and items.npy") from None
    except (ValueError, OSError) as error:
        raise InputError(f"not a NumPy array ({error})", path=path, hint="write it with numpy.save") from error


def _tables(path: Path) -> tuple[Vectors, Vectors]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tables = load_file(path)
        return tables["queries"].astype(np.float32, copy=False), tables["items"].astype(np.float32, copy=False)
    except FileNotFoundError:
        raise InputError("no such file", path=path, hint="give a safetensors file, or a folder of arrays") from None
    except KeyError as error:
        raise InputError(f"holds no table {error}", path=path, hint="give the tables queries and items") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"not a safetensors file ({error})", path=path, hint="give another") from error
