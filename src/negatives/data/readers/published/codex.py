"""CoDEx (Safavi and Koutra, 2020): ``triples/codex-s``, ``-m`` and ``-l``, each with parts and hard negatives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from negatives.data.readers.base import TableReader
from negatives.data.readers.delimited import DelimitedFrames
from negatives.data.readers.frames import Frames
from negatives.data.readers.gather import gathered
from negatives.data.readers.parts import part_files
from negatives.data.readers.schema import Options, Schema
from negatives.data.table import Table
from negatives.errors import InputError


class Codex(TableReader):
    """The folder of one size; of a folder with several sizes one must be named."""

    def takes(self, path: Path) -> bool:
        return path.is_dir() and bool(_sizes(path))

    def divided(self, path: Path, schema: Schema, options: Options) -> Mapping[str, Table]:
        sizes = _sizes(path)
        if len(sizes) != 1:
            names = ", ".join(one.name for one in sizes)
            raise InputError(f"which size of CoDEx? there are {names}", path=path, hint=f"name {sizes[0]}")
        frames = {part: self.frames(file, schema, options) for part, file in part_files(sizes[0]).items()}
        frames["train"].notes.insert(0, f"{sizes[0].name}: CoDEx, with {', '.join(frames)}")
        return {part: gathered(one, schema, options) for part, one in frames.items()}

    def frames(self, path: Path, schema: Schema, options: Options) -> Frames:
        return DelimitedFrames(path, schema, options)


def _sizes(path: Path) -> list[Path]:
    """Folders of the sizes in or below a folder, or the folder itself."""
    if path.name.startswith("codex-") and (path / "train.txt").is_file():
        return [path]
    inner = (*path.glob("codex-?"), *path.glob("triples/codex-?"), *path.glob("data/triples/codex-?"))
    return sorted(one for one in inner if (one / "train.txt").is_file())
