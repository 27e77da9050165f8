"""How Sphinx builds these pages (make docs); each of them reads well as a plain file too."""

project = "goish"
author = "the goish authors"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_heading_anchors = 3
autodoc_typehints = "none"  # the compiled core has its types in a stub, which autodoc does not read
html_theme = "furo"
html_title = "goish"
