"""How Sphinx makes the book, `python3 course.py book`: every page of the repository keeps its place, so links hold."""

from lib import book

project = "Generating Face Images with Attributes for Free"
language = "en"

# --- Sources: the repository's own pages ------------------------------------------------------------------------------

root_doc = "book/index"
include_patterns = [
    "README.md",
    "CONTRIBUTING.md",
    "book/*.md",
    "data/**README.md",
    "notebooks/*.ipynb",
    "notebooks/reference/*.md",
    "notebooks/teaching/*.md",
]
extensions = ["myst_nb", "sphinx-mathjax-offline"]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # the stored outputs are shown
nb_merge_streams = True  # what a loop printed is one block
nb_ipywidgets_js = {}  # by default loaded from another host

# --- The site ---------------------------------------------------------------------------------------------------------

html_theme = "furo"
html_title = "Faces from attributes, for free"
html_favicon = "static/favicon.svg"
html_static_path = ["static"]
html_extra_path = ["extra"]
html_css_files = ["book.css"]
html_js_files = ["book.js", "players.js"]
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False
html_use_index = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"


def setup(app):
    book.connect(app)
