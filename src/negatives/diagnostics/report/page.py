"""The page: a template, its style and script, and plotly.js, all in one file, what is large compressed."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATE = "report.html.j2"
BODY = "page/body.html.j2"
LIBRARY = "page/plotly-basic.min.js.gz"


def rendered(content: Mapping[str, Any], *, live: bool = False) -> str:
    """The whole page.

    Args:
        content: See :func:`negatives.diagnostics.report.content`.
        live: Whether the page asks a server what is new; see :mod:`negatives.diagnostics.watch`.
    """
    scripts = ["page/report.js", *(["page/live.js"] if live else [])]
    library = base64.b64encode(_bytes(LIBRARY)).decode("ascii")
    own = {"library": library, "packed": packed(content["drawn"]), "live": live, "style": _text("page/report.css")}
    page = _environment().get_template(TEMPLATE)
    return page.render(dict(content) | own | {"script": "\n".join(map(_text, scripts))})


def body(content: Mapping[str, Any]) -> str:
    """What stands inside the page, without figures."""
    return _environment().get_template(BODY).render(dict(content))


def packed(value: Any) -> str:
    """JSON, compressed and in letters, as the page's script unpacks it.

    >>> json.loads(gzip.decompress(base64.b64decode(packed({"a": [1]}))))
    {'a': [1]}
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(gzip.compress(text.encode("utf-8"), 9, mtime=0)).decode("ascii")


@cache
def _environment() -> Environment:
    import jinja2  # slow to import

    loader = jinja2.FunctionLoader(_text)
    return jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)


def _text(name: str) -> str:
    return _bytes(name).decode("utf-8")


@cache
def _bytes(name: str) -> bytes:
    return resources.files("negatives.diagnostics").joinpath(*name.split("/")).read_bytes()
