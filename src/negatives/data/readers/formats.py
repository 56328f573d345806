"""The table of formats, and which of them takes a path."""

from __future__ import annotations

from pathlib import Path

from negatives.data.readers.base import Reader
from negatives.data.readers.opening import faults_told, open_bytes
from negatives.data.readers.schema import Options, Schema
from negatives.data.readers.sniff import first_lines, looks_like_lists, without_comments
from negatives.errors import ConfigError
from negatives.registry import Registry, suggest

registry: Registry[Reader] = Registry(
    "readers",
    (
        ("refused", "negatives.data.readers.refused:Refused"),
        ("movielens", "negatives.data.readers.published.movielens:MovieLens"),
        ("amazon", "negatives.data.readers.published.amazon:AmazonRatings"),
        ("yelp", "negatives.data.readers.published.yelp:Yelp"),
        ("online_retail", "negatives.data.readers.published.retail:OnlineRetail"),
        ("checkins", "negatives.data.readers.published.checkins:Checkins"),
        ("lastfm", "negatives.data.readers.published.lastfm:LastFm"),
        ("bookcrossing", "negatives.data.readers.published.bookcrossing:BookCrossing"),
        ("openke", "negatives.data.readers.published.openke:OpenKE"),
        ("codex", "negatives.data.readers.published.codex:Codex"),
        ("ntriples", "negatives.data.readers.published.ntriples:NTriples"),
        ("ogb", "negatives.data.readers.published.ogb:Ogb"),
        ("recbole", "negatives.data.readers.published.atomic:Atomic"),
        ("matrix_market", "negatives.data.readers.published.matrix_market:MatrixMarket"),
        ("snap", "negatives.data.readers.published.snap:Snap"),
        ("numpy", "negatives.data.readers.published.numpy_arrays:NumPy"),
        ("torch", "negatives.data.readers.published.torch_saved:TorchSaved"),
        ("adjacency", "negatives.data.readers.published.adjacency:Adjacency"),
        ("jsonl", "negatives.data.readers.jsonl:JsonLines"),
        ("parquet", "negatives.data.readers.parquet:Parquet"),
        ("arrow", "negatives.data.readers.parquet:Arrow"),
        ("fasttext", "negatives.data.readers.fasttext:FastText"),
        ("topics", "negatives.data.readers.topics:Topics"),
        ("citeulike", "negatives.data.readers.citeulike:Citeulike"),
        ("delimited", "negatives.data.readers.delimited:Delimited"),
        ("lists", "negatives.data.readers.lists:Lists"),
    ),
)
BINARY = {b"PAR1": "parquet", b"ARROW1": "arrow"}


def reader_of(path: Path) -> Reader | None:
    """The first format that takes a path by its name; None where none does."""
    return next((reader for name in registry if (reader := registry.build(name)).takes(path)), None)


def name_of(reader: Reader) -> str:
    """The name of a format.

    >>> name_of(registry.build("lists"))
    'lists'
    """
    return next(name for name in registry if registry.get(name) is type(reader))


def asked_reader(options: Options) -> Reader | None:
    """The format that was asked for by name; None where none was.

    Raises:
        ConfigError: No format is called so.
    """
    if options.format is None:
        return None
    if options.format not in registry:
        raise ConfigError(f"no format is called {options.format!r}; {suggest(options.format, registry)}")
    return registry.build(options.format)


def reader_for(path: Path, schema: Schema, options: Options) -> Reader:
    """The format of a file: as asked for, by its name, else by its first bytes.

    Raises:
        InputError: The file cannot be opened.
        ConfigError: No format has the name that was asked for.
    """
    reader = asked_reader(options) or reader_of(path)
    if reader is not None and (not reader.loose or options.format is not None):
        return reader
    with faults_told(path), open_bytes(path) as file:
        head = file.read(1 << 12)
    if (known := next((one for one in map(registry.build, registry) if one.recognises(head)), reader)) is not None:
        return known
    for magic, name in BINARY.items():
        if head.startswith(magic):
            return registry.build(name)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") and b"\0" not in head:
        return registry.build("jsonl")
    if "user" in schema and not options.separator and not options.columns:
        lines = without_comments(first_lines(path, options.encoding))
        if looks_like_lists(lines):
            return registry.build("lists")
    return registry.build("delimited")
