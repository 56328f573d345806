"""Files that are either old or new, never half: written beside their place, flushed, then moved."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from negatives.errors import InputError
from negatives.regular import regular
from negatives.temporary import file_beside, folder_in


@contextmanager
def replacing(path: str | Path, *, overwrite: bool = True) -> Iterator[Path]:
    """A temporary path in the same folder that takes the place of ``path`` when the block ends well.

    Args:
        path: Where.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        OSError: The disk is full or the folder cannot be written; its ``filename`` is always ``path``.
        FileExistsError: Something is there that may not be replaced.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with file_beside(path) as temporary:
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            place(temporary, path, overwrite=overwrite)
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


@contextmanager
def moving_up(folder: Path) -> Iterator[Path]:
    """An empty folder within ``folder``; what stands in it moves up there when the block ends well.

    What has the same name there is replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with folder_in(folder, "files") as temporary:
        yield temporary
        for path in sorted(temporary.iterdir()):
            target = folder / path.name
            if target.is_dir():
                shutil.rmtree(target)
            os.replace(path, target)
        _flush(folder)


def place(temporary: Path, path: Path, *, overwrite: bool) -> None:
    """Give a finished file its name; both are of one file system.

    Raises:
        FileExistsError: Something is there that may not be replaced.
    """
    _flush(temporary)
    if overwrite:
        os.replace(temporary, path)
    else:
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
            os.replace(temporary, path)
        else:
            temporary.unlink()
    _flush(path.parent)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write one file atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_tensors(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file atomically.

    Args:
        path: Where.
        tensors: Name to tensor, of any shape, type and device. Shared storage is written once per name.
        metadata: Text for the file's header.
    """
    with replacing(path) as temporary:
        try:
            save_file(_unshared(tensors), temporary, dict(metadata or {}))
        except SafetensorError as error:
            full = "space" in str(error).lower() or "large" in str(error).lower()
            raise OSError(errno.ENOSPC if full else errno.EIO, str(error), str(path)) from error


def read_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file.

    Raises:
        InputError: The file is missing, cut short, or not a safetensors file.
    """
    try:
        with safe_open(regular(path), framework="pt") as file:
            return {name: file.get_tensor(name).clone() for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except FileNotFoundError as error:
        raise InputError("no such file", path=path, hint="check the path") from error
    except (SafetensorError, OSError) as error:
        raise InputError(
            "cut short, or not a safetensors file", path=path, hint="delete it and use an earlier one"
        ) from error


def _unshared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous CPU tensors, each with storage of its own."""
    seen: set[int] = set()
    result = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        storage = tensor.untyped_storage()
        if storage.data_ptr() in seen or storage.nbytes() != tensor.numel() * tensor.element_size():
            tensor = tensor.clone()
        seen.add(tensor.untyped_storage().data_ptr())
        result[name] = tensor
    return result


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value
