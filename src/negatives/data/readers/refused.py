"""Formats that are not read: known by their first bytes, refused with a sentence that leads on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from negatives.data.readers.base import TableReader
from negatives.data.readers.frames import Frames
from negatives.data.readers.opening import faults_told, open_bytes
from negatives.data.readers.schema import Options, Schema
from negatives.errors import InputError

FRAME = "read it with pandas and save it as Parquet or CSV, or give the data frame to negatives.load"
GRAPH = "read it with networkx and save it by networkx.write_edgelist(graph, 'edges.txt', data=False)"
UNPACK = "unpack it first"


@dataclass(frozen=True, slots=True)
class Foreign:
    """A format that is not read.

    Args:
        what: What it is called.
        head: Pattern of its first bytes.
        hint: What to do.
    """

    what: str
    head: re.Pattern[bytes]
    hint: str


def _foreign(what: str, head: bytes, hint: str) -> Foreign:
    return Foreign(what, re.compile(head, re.IGNORECASE | re.DOTALL), hint)


FOREIGN = (
    _foreign("a web page", rb"\s*(?:<!--.*?-->\s*)?<(?:!doctype html|html)", "fetch the data itself, not its page"),
    _foreign("GraphML", rb".{0,2000}<graphml", GRAPH),
    _foreign("GEXF", rb".{0,2000}<gexf", GRAPH),
    _foreign("RDF/XML", rb".{0,2000}<rdf:RDF", "convert it to N-Triples with rdflib: Graph().parse(file).serialize()"),
    _foreign(
        "Turtle",
        rb"\s*(?:#[^\n]*\n\s*)*(?:@prefix|@base|PREFIX|BASE)\s+\S*\s*<",
        "convert it to N-Triples, for instance with rdflib: Graph().parse(file).serialize('x.nt', 'nt')",
    ),
    _foreign("GML", rb"(?:creator[^\n]*\n|comment[^\n]*\n|version[^\n]*\n|#[^\n]*\n|\s)*graph\s*\[", GRAPH),
    _foreign("Pajek", rb"\s*(?:%[^\n]*\n\s*)*\*(?:network|vertices)\b", GRAPH),
    _foreign("Excel", rb"PK\x03\x04.{0,2000}(?:\[Content_Types\]\.xml|xl/)|\xd0\xcf\x11\xe0", FRAME),
    _foreign("a pickle", rb"\x80[\x02-\x05][\x95\x8c(\]}cX]", FRAME),
    _foreign("HDF5", rb"\x89HDF\r\n", FRAME),
    _foreign("SQLite", rb"SQLite format 3\x00", "export a table as CSV: sqlite3 -header -csv file 'select ...'"),
    _foreign("Avro", rb"Obj\x01", FRAME),
    _foreign("ORC", rb"ORC[\x00-\x20]", FRAME),
    _foreign("a bzip2 file", rb"BZh[1-9]1AY&SY", UNPACK),
    _foreign("a 7z archive", rb"7z\xbc\xaf\x27\x1c", UNPACK),
    _foreign("a RAR archive", rb"Rar!\x1a\x07", UNPACK),
    _foreign("a tar archive", rb".{257}ustar", UNPACK),
    _foreign("a pointer of Git LFS", rb"version https://git-lfs", "fetch the file itself: git lfs pull"),
    _foreign("a PDF", rb"%PDF-", "give a table of text"),
)


class Refused(TableReader):
    """What other software reads; it is told apart so that the message can say what to do."""

    def recognises(self, head: bytes) -> bool:
        return any(one.head.match(head) for one in FOREIGN)

    def frames(self, path: Path, schema: Schema, options: Options) -> Frames:
        with faults_told(path), open_bytes(path) as file:
            head = file.read(1 << 12)
        found = next((one for one in FOREIGN if one.head.match(head)), None)
        what, hint = ("this format", "give CSV, Parquet or JSON Lines") if found is None else (found.what, found.hint)
        raise InputError(f"{what} is not read", path=path, hint=hint)
