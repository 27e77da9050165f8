"""How Sphinx builds these pages (make docs); each of them reads well as a plain file too."""

project = "goish"
author = "the goish authors"
extensions = ["myst_parser"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "goish"
