"""How Sphinx builds these pages (make docs); each of them reads well as a plain file too.

The pages of docs/reference get their text from docstrings. autodoc puts it there; where autodoc cannot look, as into
``goish.go``, a line ``@docstring goish.go.options`` does.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from operator import attrgetter
from typing import TYPE_CHECKING

import goish

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "goish"
author = "the goish authors"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_heading_anchors = 3
autodoc_typehints = "none"  # the compiled core has its types in a stub, which autodoc does not read
html_theme = "furo"
html_title = "goish"

DOCSTRING = re.compile(r"^( *)@docstring goish\.([\w.]+)$", re.MULTILINE)


def put_docstrings(app: Sphinx, page: str, source: list[str]) -> None:
    source[0] = DOCSTRING.sub(indented_docstring, source[0])


def indented_docstring(match: re.Match[str]) -> str:
    indent, name = match.groups()
    return textwrap.indent(inspect.cleandoc(attrgetter(name)(goish).__doc__), indent)


def setup(app: Sphinx) -> None:
    app.connect("source-read", put_docstrings)
