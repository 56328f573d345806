"""TREC's topics: ``<top> <num> Number: 301 <title> ...``, and the XML of later tracks, ``<topic number="1">``."""

from __future__ import annotations

import html
import re
from pathlib import Path

import polars as pl

from negatives.data.readers.base import TableReader
from negatives.data.readers.frames import Frames, InMemory
from negatives.data.readers.opening import faults_told, open_bytes
from negatives.data.readers.schema import Options, Schema
from negatives.errors import InputError

TOPIC = re.compile(r"<(top|topic)\b([^>]*)>(.*?)</\1>", re.DOTALL | re.IGNORECASE)
NUMBER = re.compile(r"(?:<num>\s*(?:Number:)?\s*|\b(?:number|id)\s*=\s*[\"'])([\w.-]+)", re.IGNORECASE)
TITLE = re.compile(r"<(?:title|query)>\s*(?:Topic:)?\s*(.*?)\s*(?=<|\Z)", re.DOTALL | re.IGNORECASE)
LARGEST = 1 << 26
"""Bytes; topics are few."""


class Topics(TableReader):
    """Queries as TREC publishes them: the number is the id, the title the text; the rest is left out."""

    def recognises(self, head: bytes) -> bool:
        text = head.lstrip().lower()
        return text.startswith((b"<top>", b"<topics", b"<topic ")) or (text.startswith(b"<?xml") and b"<topic " in text)

    def frames(self, path: Path, schema: Schema, options: Options) -> Frames:
        with faults_told(path), open_bytes(path) as file:
            raw = file.read(LARGEST)
        try:
            text = raw.decode(options.encoding or "utf-8")
        except UnicodeDecodeError as error:
            hint = "name its encoding: --set reading.encoding=latin-1"
            line = raw.count(b"\n", 0, error.start) + 1
            raise InputError("not UTF-8 text", path=path, line=line, hint=hint) from None
        found: dict[str, list[str]] = {"id": [], "text": []}
        for topic in TOPIC.finditer(text):
            number, title = NUMBER.search(topic[2] + topic[3]), TITLE.search(topic[3])
            if number is None or title is None:
                line = text.count("\n", 0, topic.start()) + 1
                raise InputError("a topic without number or title", path=path, line=line, hint="mend or remove it")
            found["id"].append(number[1])
            found["text"].append(html.unescape(" ".join(title[1].split())))
        frame = pl.DataFrame(found, schema={"id": pl.String, "text": pl.String})
        return InMemory(path, frame, (f"{path.name}: TREC's topics, by their titles",))
