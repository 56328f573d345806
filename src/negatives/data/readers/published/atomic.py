"""Folders of RecBole: ``X.inter`` with what is beside it, of which each task takes the file that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from negatives.data.readers.base import TableReader
from negatives.data.readers.delimited import DelimitedFrames
from negatives.data.readers.frames import Frames
from negatives.data.readers.gather import gathered
from negatives.data.readers.opening import inner_suffix
from negatives.data.readers.parts import part_of, side_files
from negatives.data.readers.published.layouts import files_in
from negatives.data.readers.schema import Options, Schema
from negatives.data.table import Table
from negatives.errors import InputError

ENDINGS = {"triple": (".kg",), "edge": (".net", ".inter")}
"""Endings that hold the rows of a schema; interactions hold those of all others."""


class Atomic(TableReader):
    """A folder with a file ``.inter``, ``.kg`` or ``.net``, perhaps in parts ``X.train.inter``."""

    def takes(self, path: Path) -> bool:
        return path.is_dir() and any(inner_suffix(file) in (".inter", ".kg", ".net") for file in files_in(path))

    def divided(self, path: Path, schema: Schema, options: Options) -> Mapping[str, Table]:
        chosen = self._chosen(path, schema)
        parts = {part_of(file): file for file in chosen}
        if len(chosen) == 1:
            parts = {"train": chosen[0]}
        elif "train" not in parts or len(parts) != len(chosen):
            names = ", ".join(file.name for file in chosen[:6])
            raise InputError(f"which file is to be read? there are {names}", path=path, hint="name one of them")
        frames = {part or "": DelimitedFrames(file, schema, options) for part, file in parts.items()}
        read = (*chosen, *(side_files(path).values() if schema.sides else ()))
        beside = [file.name for file in files_in(path) if file not in read and inner_suffix(file)[1:].isalpha()]
        if beside:
            frames["train"].notes.append(f"{path.name}: not used: {', '.join(beside[:6])}")
        return {part: gathered(one, schema, options) for part, one in frames.items()}

    def frames(self, path: Path, schema: Schema, options: Options) -> Frames:
        chosen = self._chosen(path, schema) if path.is_dir() else [path]
        return DelimitedFrames(chosen[0], schema, options)

    @staticmethod
    def _chosen(path: Path, schema: Schema) -> list[Path]:
        """The files that hold the rows."""
        for ending in ENDINGS.get(schema.what, (".inter",)):
            if found := [file for file in files_in(path) if inner_suffix(file) == ending]:
                return found
        wanted = " or ".join(ENDINGS.get(schema.what, (".inter",)))
        raise InputError(f"the folder has no file {wanted}", path=path, hint=f"name a file of {schema.what}s")
