"""MovieLens as GroupLens publishes it: 100k (``u.data``, folds ``u1.base`` and ``u1.test``), 1M and 10M
(``ratings.dat``), 20M, 25M, 32M and the latest ones (``ratings.csv``)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from negatives.data.readers.gather import gathered
from negatives.data.readers.published.layouts import Layout, Published, bare_name, files_in
from negatives.data.readers.schema import Options, Schema
from negatives.data.table import Table
from negatives.errors import InputError

COLUMNS = ("user", "item", "rating", "timestamp")
FOLD = r"u[1-5ab]\.(base|test)"


class MovieLens(Published):
    """Ratings of MovieLens. A folder gives all of them; a fold's ``.base`` file gives the fold, its ``.test`` too."""

    layouts = (
        Layout("ratings of MovieLens 100k", r"u\.data", COLUMNS),
        Layout("ratings of MovieLens 1M or 10M", r"ratings\.dat", COLUMNS),
        Layout("ratings of MovieLens", r"ratings\.csv", folder=True),
        Layout("a fold of MovieLens 100k", FOLD, COLUMNS),
    )
    beside = r"u\.(data|item|genre|info)|u[1-5ab]\.test|(ratings|movies)\.dat|(movies|links|tags|genome-scores)\.csv"

    def divided(self, path: Path, schema: Schema, options: Options) -> Mapping[str, Table]:
        folds = [file for file in files_in(path if path.is_dir() else path.parent) if re.fullmatch(FOLD, file.name)]
        if path.is_dir():
            if any(layout.fits(file) for layout in self.layouts[:-1] for file in files_in(path)):
                return {"train": self._whole(path, schema, options, folds)}
            bases = [file for file in folds if file.suffix == ".base"]
            if len(bases) != 1:
                names = ", ".join(file.name for file in bases) or "none"
                raise InputError(f"which fold? there are {names}", path=path, hint="name a .base file")
            path = bases[0]
        parts = {"train": self.read(path, schema, options)}
        other = path.with_suffix(".test")
        if path.suffix == ".base" and other in folds:
            parts["test"] = gathered(self.table(other, self.layouts[-1], schema, options), schema, options)
        return parts

    def _whole(self, path: Path, schema: Schema, options: Options, folds: list[Path]) -> Table:
        file, layout = self.found(path)
        frames = self.table(file, layout, schema, options)
        if folds and bare_name(file) == "u.data":
            frames.notes.append(f"{file.name}: taken whole; name {folds[0].stem}.base to train and test on that fold")
        return gathered(frames, schema, options)
