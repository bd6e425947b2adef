"""Parameters are read from the cell's syntax tree, and values are checked against it before anything starts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.lake import BadParameter
from workbench.reports import checked, parameters
from workbench.reports.parameter_cell import declared

CELL = '''"""What may be asked for."""
lake: str = "lake"  # directory; x = 5 is no trap
tags: list[str] = ["#x", "a=b"]  # texts with # and = in them
service: str | None = None  # only this one
rate: float = 0.5
limit = 10
mode: Literal["fast", "exact"] = "fast"  # Größe in µs
deep: bool = False
where: dict = {"env": "prod"}
anything = None
long: str = (
    "over "
    "two lines"
)  # its comment is behind the last line
'''


def given_to(cell: str, **values):
    return checked(declared(cell), values, where="test")


def test_names_types_defaults_and_comments_are_read():
    found = declared(CELL)
    assert {name: each.default for name, each in found.items()} == {
        "lake": "lake",
        "tags": ["#x", "a=b"],
        "service": None,
        "rate": 0.5,
        "limit": 10,
        "mode": "fast",
        "deep": False,
        "where": {"env": "prod"},
        "anything": None,
        "long": "over two lines",
    }
    assert found["lake"].help == "directory; x = 5 is no trap"
    assert found["tags"].help == "texts with # and = in them"
    assert found["mode"].help == "Größe in µs"
    assert found["long"].help == "its comment is behind the last line"
    assert [found[name].type_text for name in ("service", "limit", "anything")] == ["str | None", "int", "any"]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("import os", "import os"),
        ("lake = open('x')", "open('x')"),
        ("a = b = 1", "a = b = 1"),
        ("a: int", "a: int"),
        ("a, b = 1, 2", "a, b = (1, 2)"),
        ("print(1)", "print(1)"),
        ("a = f'{1}'", "f'{1}'"),
    ],
)
def test_anything_but_a_literal_is_refused_with_its_line(line, named):
    with pytest.raises(BadParameter, match="line 2") as refused:
        declared(f"fine: int = 1\n{line}")
    assert named in refused.value.what


def test_a_cell_that_is_no_python_is_refused_with_its_line():
    with pytest.raises(BadParameter, match="line 2"):
        declared("fine: int = 1\nlake: = 3")


def test_a_type_in_quotes_counts_as_without():
    cell = "mode: \"Literal['fast', 'exact']\" = 'fast'"
    assert given_to(cell, mode="exact") == {"mode": "exact"}
    with pytest.raises(BadParameter, match="mode cannot be 'slow'"):
        given_to(cell, mode="slow")


def test_a_notebook_without_a_tagged_cell_takes_none_and_two_tagged_cells_are_refused():
    cell = {"cell_type": "code", "source": ["x: int = 1"], "metadata": {"tags": ["parameters"]}}
    assert parameters({"cells": [{"cell_type": "code", "source": "x = 1", "metadata": {}}]}) == {}
    assert list(parameters({"cells": [cell]})) == ["x"]
    with pytest.raises(BadParameter, match="2 cells are tagged"):
        parameters({"cells": [cell, cell]})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("lake", "1h", "1h"),
        ("lake", "5", "5"),  # declared as text: no number
        ("lake", "None", "None"),
        ("rate", "2", 2.0),
        ("limit", "-3", -3),
        ("deep", "true", True),
        ("deep", "False", False),
        ("service", "None", None),
        ("service", "checkout", "checkout"),
        ("mode", "exact", "exact"),
        ("tags", "['a', 'b']", ["a", "b"]),
        ("where", "{'env': 'test'}", {"env": "test"}),
        ("anything", "[1, 2]", [1, 2]),
        ("anything", "1h", "1h"),
    ],
)
def test_texts_become_what_is_declared(name, text, value):
    (found,) = given_to(CELL, **{name: text}).values()
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate", "fast"),
        ("limit", "1.5"),
        ("limit", True),
        ("deep", "1"),
        ("mode", "slow"),
        ("tags", "[1, 2]"),
        ("tags", "a"),
        ("where", "{1: 2}"),
        ("lake", None),
        ("anything", object()),
    ],
)
def test_values_that_do_not_fit_are_refused(name, value):
    with pytest.raises(BadParameter, match=f"{name} cannot be"):
        given_to(CELL, **{name: value})


def test_an_unknown_name_is_answered_with_near_ones_or_all():
    with pytest.raises(BadParameter, match="did you mean service"):
        given_to(CELL, servise="x")
    with pytest.raises(BadParameter, match="it takes: lake, tags"):
        given_to(CELL, xyzzy="x")


@given(
    value=st.one_of(
        st.integers(), st.text(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False)
    )
)
def test_what_a_cell_declares_as_default_is_read_back(value):
    assert declared(f"x = {value!r}  # help")["x"].default == value


@given(text=st.text())
def test_a_text_given_for_a_text_stays_as_it_is(text):
    assert given_to('x: str = ""', x=text) == {"x": text}


@given(value=st.integers())
def test_an_integer_given_as_text_becomes_that_integer(value):
    assert given_to("x: int = 0", x=str(value)) == {"x": value}
