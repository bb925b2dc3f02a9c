"""How Sphinx makes the slides, `python3 course.py teaching`: one deck for each lesson, shown by reveal.js, offline."""

from lib import teaching

project = "Generating Face Images with Attributes for Free"
language = "en"
root_doc = "index"
extensions = ["myst_parser", "sphinx-mathjax-offline", "sphinx_revealjs"]
myst_enable_extensions = ["dollarmath", "amsmath"]

revealjs_static_path = ["static"]
revealjs_css_files = ["slides.css"]
revealjs_style_theme = "white"
revealjs_script_conf = {
    "navigationMode": "linear",
    "hash": True,
    "slideNumber": "c/t",
    "transition": "none",
    "width": 1280,
    "height": 720,
    "margin": 0.05,
    "center": False,
}
revealjs_script_plugins = [{"name": "RevealNotes", "src": "revealjs/plugin/notes/notes.js"}]


def setup(app):
    teaching.connect(app)
