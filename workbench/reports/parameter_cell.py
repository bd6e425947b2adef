"""Which parameters does a notebook take, and do the given values fit?

The cell tagged `parameters` holds only `name: type = literal  # help`. It is parsed, never run: papermill's own
inspection is a regular expression per line, which loses `x: str | None = None` and cuts texts at `#`.
"""

import ast
import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.lake import BadInput, BadParameter

TAG = "parameters"
FORM = "the cell tagged `parameters` holds only lines like: name: type = literal  # help"
_TYPES: dict[str, type] = {"bool": bool, "int": int, "float": float, "list": list, "dict": dict, "str": str}
_WORDS = {"true": True, "false": False}


@dataclass(frozen=True)
class Parameter:
    """One parameter: `annotation` is the text after the colon (None: not annotated), `help` the comment behind it."""

    name: str
    default: Any
    annotation: str | None
    help: str

    @property
    def type_text(self) -> str:
        """What to write for it: the annotation, else the default's type; `any` where neither says anything."""
        if self.annotation:
            return self.annotation
        return "any" if self.default is None else type(self.default).__name__


def parameters(notebook: Any) -> dict[str, Parameter]:
    """The parameters of a notebook, in order of the cell; none tagged: none.

    Args:
        notebook: the path of an .ipynb file, or a notebook as nbformat reads it.

    Raises:
        BadParameter: the cell has anything but assignments of literals, or two cells are tagged.
        BadInput: this is no notebook.
    """
    if isinstance(notebook, str | Path):
        where = str(notebook)
        notebook = _document(Path(notebook))
    else:
        where = "notebook"
    try:
        tagged = [cell for cell in notebook["cells"] if TAG in cell.get("metadata", {}).get("tags", [])]
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"not a notebook: {error}", where, "open it in JupyterLab and save it again") from error
    if len(tagged) > 1:
        raise BadParameter(f"{len(tagged)} cells are tagged `parameters`", where, "tag one")
    return declared("".join(tagged[0]["source"]), where=where) if tagged else {}


def _document(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"not a notebook: {error}", str(path), "open it in JupyterLab and save it again") from error


def declared(source: str, *, where: str = "parameters cell") -> dict[str, Parameter]:
    """The parameters that the text of one cell declares.

    Raises:
        BadParameter: anything else stands there; says the line.
    """
    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise BadParameter(
            f"the parameters cell is no Python: {error.msg}", f"{where}, line {error.lineno}", FORM
        ) from None
    lines = source.splitlines()
    found = {}
    for node in body:
        match node:
            case ast.AnnAssign(target=ast.Name(name), annotation=annotation, value=ast.expr() as value):
                kind: str | None = _type_text(annotation)
            case ast.Assign(targets=[ast.Name(name)], value=value):
                kind = None
            case ast.Expr(ast.Constant(str())):
                continue
            case _:
                raise BadParameter(f"not a parameter: {ast.unparse(node)}", f"{where}, line {node.lineno}", FORM)
        try:
            default = ast.literal_eval(value)
        except ValueError:
            raise BadParameter(
                f"{name} = {ast.unparse(value)} is no literal", f"{where}, line {node.lineno}", FORM
            ) from None
        # Columns of the syntax tree count UTF-8 bytes.
        behind = lines[(node.end_lineno or 1) - 1].encode()[node.end_col_offset :].decode().strip()
        found[name] = Parameter(name, default, kind, behind.removeprefix("#").strip())
    return found


def _type_text(annotation: ast.expr) -> str:
    """A type in quotes counts as without: names like Literal would have to be imported before the cell runs."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value
    return ast.unparse(annotation)


def checked(known: Mapping[str, Parameter], given: Mapping[str, Any], *, where: str = "parameters") -> dict[str, Any]:
    """The given values, texts turned into the declared types.

    Texts come from the command line: `5` becomes a number where a number is declared, `1h` stays a text where a text
    is, `None` means None where that is allowed.

    Raises:
        BadParameter: an unknown name (with near ones), or a value that does not fit its type.
    """
    return {name: _fitting(_known(known, name, where), value, where) for name, value in given.items()}


def _known(known: Mapping[str, Parameter], name: str, where: str) -> Parameter:
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=3)
    remedy = f"did you mean {' or '.join(near)}?" if near else f"it takes: {', '.join(known) or 'no parameters'}"
    raise BadParameter(f"there is no parameter {name!r}", where, remedy)


def _fitting(parameter: Parameter, value: Any, where: str) -> Any:
    kinds = _kinds(parameter)
    if not kinds:
        return _free(parameter, value, where)
    for kind in kinds:
        fits, converted = _as(kind, value)
        if fits:
            return converted
    remedy = f"it is declared as {parameter.name}: {parameter.type_text} = {parameter.default!r}"
    raise BadParameter(f"{parameter.name} cannot be {value!r}", where, remedy)


def _kinds(parameter: Parameter) -> list[ast.expr]:
    """The members of a union, texts last: nearly everything is a text, so the others are tried first."""
    text = parameter.annotation or (None if parameter.default is None else type(parameter.default).__name__)
    if text is None:
        return []
    try:
        waiting, members = [ast.parse(text, mode="eval").body], []
    except SyntaxError:  # in quotes anything may stand
        return []
    while waiting:
        member = waiting.pop(0)
        if isinstance(member, ast.BinOp) and isinstance(member.op, ast.BitOr):
            waiting = [member.left, member.right, *waiting]
        else:
            members.append(member)
    known = all(_name(member) in {*_TYPES, "None", "Literal"} for member in members)
    return sorted(members, key=lambda member: _name(member) == "str") if known else []


def _name(kind: ast.expr) -> str:
    return ast.unparse(kind.value if isinstance(kind, ast.Subscript) else kind)


def _as(kind: ast.expr, value: Any) -> tuple[bool, Any]:
    """Does the value fit, and as what?"""
    name = _name(kind)
    if isinstance(value, str) and name != "str":
        value = _WORDS.get(value.lower(), value) if name == "bool" else _literal(value)
    if name == "None":
        return value is None, value
    if name == "Literal" and isinstance(kind, ast.Subscript):
        choices = ast.literal_eval(kind.slice)
        return value in (choices if isinstance(choices, tuple) else (choices,)), value
    if name == "float" and type(value) is int:
        value = float(value)
    if type(value) is not _TYPES.get(name):  # not isinstance: True would be a number
        return False, value
    if name == "list" and isinstance(kind, ast.Subscript):
        return _as_list(kind.slice, value)
    return _writable(value), value


def _as_list(kind: ast.expr, value: Any) -> tuple[bool, Any]:
    if _name(kind) not in {*_TYPES, "None"}:
        return _writable(value), value
    members = [_as(kind, member) for member in value]
    return all(fits for fits, _ in members), [converted for _, converted in members]


def _free(parameter: Parameter, value: Any, where: str) -> Any:
    value = _literal(value) if isinstance(value, str) else value
    if not _writable(value):
        remedy = "give a text, a number, True, False, None, or lists and dictionaries of them"
        raise BadParameter(f"{parameter.name} cannot be a {type(value).__name__}", where, remedy)
    return value


def _literal(text: str) -> Any:
    """What the text means in Python, else the text itself; `1h` is none."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _writable(value: Any) -> bool:
    """Can papermill write it into a cell?"""
    if isinstance(value, list):
        return all(map(_writable, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _writable(member) for key, member in value.items())
    return value is None or isinstance(value, str | int | float)
