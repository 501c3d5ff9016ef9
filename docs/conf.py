"""Sphinx: `python -m sphinx -W docs site` makes the pages, the API reference among them."""

from importlib.metadata import version as version_of

project = "napari-medrefine"
author = "The napari-medrefine developers"
release = version = version_of("napari-medrefine")
language = "en"

extensions = [
    "myst_parser",  # pages are Markdown, as README is
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",  # docstrings are numpydoc
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
# README and CONTRIBUTING stay where repositories keep them: links to them lead out of the pages.
suppress_warnings = ["myst.xref_missing"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
autosummary_generate = False
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = "MedRefine"
html_show_sphinx = False
