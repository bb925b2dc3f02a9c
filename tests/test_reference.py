"""The reference pages say what is true of notebooks, code and tests, and are as the script makes them."""

import importlib
import inspect
import re

import pytest

from lib import reference


def resolve(name):
    """What a dotted name of lib stands for: a module, function, class or dataclass field; `f(x)` a parameter of f.

    Raises LookupError if there is no such thing.
    """
    dotted, _, parameter = name.rstrip(")").partition("(")
    module, *rest = dotted.split(".")
    if module == "study":
        module, *rest = f"study.{rest[0]}", *rest[1:]
    try:
        thing = importlib.import_module(f"lib.{module}")
        for part in rest:
            thing = getattr(thing, "__dataclass_fields__", {}).get(part) or getattr(thing, part)
        return inspect.signature(thing).parameters[parameter] if parameter else thing
    except (ImportError, AttributeError, KeyError, TypeError) as error:
        raise LookupError(f"lib has no {name}") from error


def names(text, forms):
    """Whether `text` holds one of the `forms` as whole words, whatever their case."""
    return any(re.search(rf"(?<!\w){re.escape(form)}(?!\w)", text, re.I) for form in forms)


def formulas(text):
    """All mathematics in Markdown, in one string."""
    return " ".join(re.findall(r"\$\$.*?\$\$|\$[^$\n]+\$", text, re.S))


def forms_of(entry):
    """The spellings under which a glossary entry occurs in the course."""
    return [entry["term"], *entry.get("also", [])]


EQUATIONS = [str(number) for number in range(1, 18)]
IN_WORDS = {r"\mathcal L_{D_{conv}}"}  # notebook 04 says of these losses that they are the negatives of Eq. 12 and 13
SECTIONS = ["III-D", "IV-A", "IV-B", "IV-C", "V-D"]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Eq. 4 and 10, the mean", {"4", "10"}),
        ("Eq. 1-3 on images", {"1", "2", "3"}),
        ("Equations 9–11; Section IV-A", {"9", "10", "11", "IV-A"}),
        ("What Equations 3, 5 and 6 print", {"3", "5", "6"}),
        ("(Eq. 15, 16 are their negatives)", {"15", "16"}),
        (r"$$ x \quad (4) \qquad y \;(12)$$", {"4", "12"}),
        ("Section III-A (Classifier), Acc in Section V-D", {"III-A", "V-D"}),
        ("Sections III-B and III-C", {"III-B", "III-C"}),
        ("Figure 4, Table 2, section 3, 17 faces", set()),
    ],
)
def test_mentions(text, expected):
    assert reference.mentions(text) == expected


def test_a_section_is_named_by_what_contains_it_not_by_what_it_contains():
    assert reference.named("IV-A", {"IV"}) and reference.named("IV-A", {"IV-A"}) and reference.named("4", {"4"})
    assert not reference.named("IV", {"IV-A"}) and not reference.named("IV-A", {"V", "IV-B"})


def test_the_index_is_about_all_equations_and_the_sections_that_are_methods():
    assert list(reference.source("equations")) == EQUATIONS + SECTIONS


@pytest.mark.parametrize("place", EQUATIONS + SECTIONS)
def test_every_equation_is_taught_coded_and_tested(place):
    assert reference.taught(place), "no notebook announces it and has a section that names it"
    code = reference.coded().get(place, [])
    assert code, "no docstring in lib names it"
    for name in code:
        resolve(name)
    tests = reference.tested().get(place, [])
    assert tests, "no docstring of a test names it"
    functions = {name.rpartition(".")[2] for name in code}
    assert any(used & functions for _, _, used in tests), "its tests use nothing of what codes it"


@pytest.mark.parametrize("symbol", reference.source("symbols"), ids=lambda symbol: symbol["symbol"])
def test_every_symbol_has_its_code_its_equations_and_its_notebook(symbol):
    resolve(symbol["code"])
    assert {str(place) for place in symbol["equations"]} <= set(EQUATIONS + SECTIONS)
    parts = reference.notebooks()[reference.notebook_named(symbol["notebook"])]
    mathematics = formulas("".join(section.text for section in parts))
    one = symbol["symbol"].split(", ")[0]
    printed = re.search(rf"(?<![A-Za-z\\]){re.escape(one)}(?![A-Za-z])", mathematics) is not None
    assert printed != (one in IN_WORDS), "its notebook prints it nowhere"


def test_a_name_that_is_not_there_does_not_resolve():
    for name in ("losses.nothing", "nothing.at_all", "losses.mapping(nothing)", "config.MappingConfig.nothing"):
        with pytest.raises(LookupError, match="lib has no"):
            resolve(name)


def test_symbols_stand_once():
    symbols = [symbol["symbol"] for symbol in reference.source("symbols")]
    assert len(symbols) == len(set(symbols))


@pytest.mark.parametrize("entry", reference.source("glossary"), ids=lambda entry: entry["term"])
def test_every_term_occurs_in_the_notebook_that_explains_it(entry):
    parts = reference.notebooks()[reference.notebook_named(entry["notebook"])]
    assert any(names(part.text, forms_of(entry)) for part in parts)


def test_terms_stand_once():
    forms = [form.lower() for entry in reference.source("glossary") for form in forms_of(entry)]
    assert len(forms) == len(set(forms)) and len(forms) > 60


@pytest.mark.parametrize("name", reference.PAGES)
def test_pages_are_as_the_script_makes_them(name):
    page = (reference.FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert page == reference.GENERATED + reference.PAGES[name](), "run python -m lib.reference"
