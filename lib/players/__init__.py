"""Things to play with. Each is computed ahead as HTML, which a widget steps through in a notebook, and which a page of
the book holds whole and steps through by itself, without a kernel (book/static/players.js).
"""
