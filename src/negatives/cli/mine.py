"""``negatives mine``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from negatives.cli.options import COLUMNS, Overwrite, named_columns, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from negatives.mining.data import Texts
    from negatives.mining.encoders import Embedder
    from negatives.mining.search import Vectors
    from negatives.types import Csr


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class MineOptions:
    """Which candidates become negatives; names and meanings are those of mine_hard_negatives."""

    num_negatives: Annotated[int, Parameter(help="Negatives per query.", converter=whole)] = 3
    range_min: Annotated[int, Parameter(help="First rank to take, from 0.", converter=whole)] = 0
    range_max: Annotated[int | None, Parameter(help="Rank after the last.", converter=whole)] = None
    min_score: Annotated[float | None, Parameter(help="Least score.")] = None
    max_score: Annotated[float | None, Parameter(help="Greatest score.")] = None
    absolute_margin: Annotated[float | None, Parameter(help="Least distance to the positive's score.")] = None
    relative_margin: Annotated[float | None, Parameter(help="The same as a share of the positive's score.")] = None
    sampling: Annotated[Literal["top", "random"], Parameter(help="The first ranks, or random ones.")] = "top"
    seed: Annotated[int, Parameter(help="Seed of random ranks.", converter=whole)] = 0


EMPTY = "nothing is left to write; ask for fewer negatives, loosen the bounds, or give more documents with --corpus"
IGNORED = "A document that is the query itself, by its name or its text, is never its negative."


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where vectors come from."""

    model: Annotated[str | None, Parameter(help="A search run, or a Sentence Transformers folder or package.")] = None
    vectors: Annotated[Path | None, Parameter(help="Vectors in the order of the texts, in place of a model.")] = None
    teacher: Annotated[str | None, Parameter(help="Folder of a cross-encoder that scores anew.")] = None
    corpus: Annotated[Path | None, Parameter(help="More documents: JSON Lines with text, or one a line.")] = None
    part: Annotated[str, Parameter(help="Judgements of a collection to take.")] = "train"
    columns: Annotated[tuple[str, ...], Parameter(help=COLUMNS, negative=(), show_default=False)] = ()
    cache: Annotated[Path | None, Parameter(help="Folder for vectors; the user's cache by default.")] = None


def mine(
    data: Path,
    /,
    *,
    out: Path,
    format: Literal["pairs", "triplet", "n-tuple", "labeled-pair", "labeled-list"] = "triplet",
    scores: Annotated[bool, Parameter(negative=())] = False,
    ignore_identical: Annotated[bool, Parameter(help=IGNORED)] = True,
    overwrite: Overwrite = False,
    sources: Sources | None = None,
    options: MineOptions | None = None,
) -> int:
    """Mine hard negatives for other programs' trainers.

    Parameters
    ----------
    data
        A folder in the BEIR layout, or a table of anchors and positives.
    out
        File to write: .jsonl, .parquet or .csv. A report is written beside it.
    format
        Columns as in Sentence Transformers' mine_hard_negatives; pairs are anchor and negative.
    scores
        Write the scores as well.
    """
    from dataclasses import asdict

    from negatives import mining
    from negatives.errors import ConfigError
    from negatives.mining.formats import count, left_out
    from negatives.mining.report import lines, report
    from negatives.mining.vectors import vector_files
    from negatives.mining.write import check_out, write

    sources = sources or Sources()
    wanted = mining.Mining(**asdict(options or MineOptions()))
    read = (data, sources.corpus, *vector_files(sources.vectors), sources.model, sources.teacher)
    check_out(out, format == "labeled-list" or (scores and format in ("triplet", "n-tuple")), overwrite, read)
    if (sources.model is None) == (sources.vectors is None):
        raise ConfigError("give one of --model (what makes the vectors) and --vectors (a file of them)")
    texts = _texts(data, sources)
    identical = _identical(texts) if ignore_identical else None
    queries, items = _vectors(sources, texts)
    teacher = None
    if sources.teacher is not None:
        from negatives.mining.encoders import cross_encoder

        teacher = cross_encoder(sources.teacher, texts.queries, texts.items)
    mined = mining.mine(queries, items, texts.positives, wanted, teacher, identical)
    found = mining.columns(mined, texts.queries, texts.items, format, texts.names, scores)
    summary = report(mined) | {"rows": len(found[texts.names[0]]), "queries_left_out": left_out(mined, format)}
    print("\n".join(lines(summary)))
    if not count(mined) or not summary["rows"]:
        print(f"negatives: {EMPTY}", file=sys.stderr)
        return 1
    told = summary | {"format": format, "options": asdict(wanted)}
    place = write(found, told, out, overwrite=overwrite, inputs=read)
    print(f"mined to: {out}\nreport: {place}")
    return 0


def _texts(data: Path, sources: Sources) -> Texts:
    """What is mined from; what was read is printed."""
    from negatives.data.readers.schema import DOCUMENTS, JUDGED, QUESTIONS, Options
    from negatives.mining.data import read_texts
    from negatives.tasks.schemas import check_roles

    columns = named_columns(sources.columns)
    check_roles(columns, (QUESTIONS, DOCUMENTS, JUDGED), "mine")
    texts = read_texts(data, sources.corpus, sources.part, Options(columns=columns))
    for note in texts.notes:
        print(note)
    return texts


def _identical(texts: Texts) -> Csr:
    """Documents that are the query itself; how many queries they concern is printed."""
    from negatives.data.retrieval import identical_note
    from negatives.mining.identical import own_documents

    found = own_documents(texts.queries, texts.items, texts.positives, texts.same_name)
    if found.nnz:
        print(identical_note(found, "negatives", "--no-ignore-identical"))
    return found


def _vectors(sources: Sources, texts: Texts) -> tuple[Vectors, Vectors]:
    from negatives.mining import embedded
    from negatives.mining.vectors import read_vectors

    if sources.vectors is not None:
        return read_vectors(sources.vectors)
    embedder = _embedder(str(sources.model))
    return (
        embedded(texts.queries, lambda some: embedder.encode(some, "query"), f"{embedder.key} query", sources.cache),
        embedded(texts.items, lambda some: embedder.encode(some, "item"), f"{embedder.key} item", sources.cache),
    )


def _embedder(model: str) -> Embedder:
    """A finished search run's encoder, or a Sentence Transformers model."""
    from negatives.mining.encoders import Embedder, sentence_embedder
    from negatives.training.run_folder import CONFIG

    if not (Path(model) / CONFIG).exists():
        return sentence_embedder(model)
    import torch

    from negatives.errors import InputError
    from negatives.mining import fingerprint
    from negatives.models.encoders.base import TextEncoder
    from negatives.runs.runner import load_run

    encoder = load_run(Path(model)).model
    if not isinstance(encoder, TextEncoder):
        raise InputError("is no run with an encoder of texts", path=model, hint="give a run of search or similarity")

    def encode(some: Sequence[str], kind: str) -> Tensor:
        with torch.no_grad():
            return encoder.encode_texts(some, kind)

    return Embedder(encode, fingerprint(encoder.state_dict()))
