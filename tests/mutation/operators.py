"""Which small wrongs can be done to a module: an AST goes in, one changed copy for each comes out.

Words for people (messages, docstrings, annotations) are left alone; everything that decides is not.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

SWAPS: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
SIGNS: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
WORDY: Final = frozenset({"message", "summary", "why", "way_out", "strict", "mode"})
"""Keyword arguments that are sentences, or (`zip`, `model_dump`) change nothing for our values."""

WORDS_FROM: Final = {
    "BadConfiguration": 0,
    "TypeError": 0,
    "ValueError": 0,
    "high": 1,
    "medium": 1,
    "low": 1,
    "reason": 1,
    "_wrong": 1,
    "violation": 2,
}
"""Calls whose positional arguments from that place on are words for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One changed copy of a module, and what was changed where."""

    line: int
    change: str
    tree: ast.Module


Change = tuple[str, Callable[[ast.AST], ast.AST]]
"""What is said of a change, and what makes it, of a copy of the node."""


def mutants(source: str) -> Iterator[Mutant]:
    """Yields every mutant of a module, in the order of its lines."""
    tree = ast.parse(source)
    quiet = set(_quiet(tree))
    nodes = list(ast.walk(tree))
    sites = [
        (_line_of(node), index, change)
        for index, node in enumerate(nodes)
        if id(node) not in quiet
        for change in _changes(node)
    ]
    for line, index, (text, make) in sorted(sites, key=lambda site: site[:2]):
        changed = copy.deepcopy(tree)
        old = list(ast.walk(changed))[index]
        new = ast.copy_location(make(old), old)
        if new is not old:
            _put(changed, old, new)
        yield Mutant(line=line, change=text, tree=ast.fix_missing_locations(changed))


def _line_of(node: ast.AST) -> int:
    where = node.target if isinstance(node, ast.comprehension) else node
    return getattr(where, "lineno", 0)


def _changes(node: ast.AST) -> Iterator[Change]:
    yield from _in_expressions(node)
    yield from _in_statements(node)


def _in_expressions(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Compare():
            yield from _compared(node)
        case ast.BoolOp(op=ast.And()):
            yield "and → or", _with(op=ast.Or())
        case ast.BoolOp():
            yield "or → and", _with(op=ast.And())
        case ast.UnaryOp(op=ast.Not()):
            yield "not dropped", lambda it: it.operand  # type: ignore[attr-defined]  # a UnaryOp
        case ast.BinOp(op=op) if type(op) in SIGNS:
            other = SIGNS[type(op)]
            yield f"{type(op).__name__} → {other.__name__}", _with(op=other())
        case ast.Constant():
            yield from _constants(node)
        case _:
            return


def _in_statements(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.If() | ast.IfExp() | ast.While():
            yield from _conditions(node)
        case ast.Return(value=value) if value is not None and not _is_nothing(value):
            yield "return None", _with(value=ast.Constant(None))
        case ast.Expr(value=ast.Call()) | ast.Raise():
            yield f"removed: {ast.unparse(node)[:60]}", lambda _: ast.Pass()
        case ast.comprehension(ifs=[_, *_]):
            yield "filter dropped", _with(ifs=[])
        case _:
            return


def _compared(node: ast.Compare) -> Iterator[Change]:
    for position, operation in enumerate(node.ops):
        for other in SWAPS[type(operation)]:
            ops = [*node.ops[:position], other(), *node.ops[position + 1 :]]
            yield f"{type(operation).__name__} → {other.__name__}", _with(ops=ops)


def _constants(node: ast.Constant) -> Iterator[Change]:
    value = node.value
    if isinstance(value, bool):
        yield f"{value} → {not value}", _with(value=not value)
    elif isinstance(value, int):
        yield f"{value} → {value + 1}", _with(value=value + 1)
    elif isinstance(value, str | bytes) and value and not _is_sentence(value):
        other = value + (b"X" if isinstance(value, bytes) else "X")  # type: ignore[operator]  # same type
        yield f"{value!r} → {other!r}", _with(value=other)


def _conditions(node: ast.If | ast.IfExp | ast.While) -> Iterator[Change]:
    """A condition that is no comparison has no other way to go wrong than altogether."""
    if isinstance(node.test, ast.Compare | ast.BoolOp | ast.UnaryOp):
        return
    yield "condition negated", _with(test=ast.UnaryOp(op=ast.Not(), operand=node.test))


def _with(**fields: object) -> Callable[[ast.AST], ast.AST]:
    def make(node: ast.AST) -> ast.AST:
        for name, value in fields.items():
            setattr(node, name, value)
        return node

    return make


def _put(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list):
                value[:] = [new if item is old else item for item in value]


def _quiet(tree: ast.Module) -> Iterator[int]:
    """Yields the ids of nodes that decide nothing: docstrings, annotations, sentences, exports."""
    for node in ast.walk(tree):
        for part in _words_of(node):
            yield from (id(child) for child in ast.walk(part))


def _words_of(node: ast.AST) -> Iterator[ast.AST]:
    yield from _types_of(node)
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom():
            yield node
        case ast.Assign(targets=[ast.Name(id="__all__" | "__slots__")]):
            yield node
        case ast.Call(func=ast.Name(id=name), args=args) if name in WORDS_FROM:
            yield from args[WORDS_FROM[name] :]
        case ast.Assign(targets=[ast.Name(id="message" | "what" | "more" | "meant")], value=value):
            yield value
        case ast.Subscript(value=ast.Name(id="Literal")):
            yield node
        case ast.keyword(arg=name) if name in WORDY:
            yield node
        case _:
            return


def _types_of(node: ast.AST) -> Iterator[ast.AST]:
    """Annotations, and decorators such as `dataclass(slots=True)`."""
    match node:
        case ast.AnnAssign(annotation=annotation) | ast.arg(annotation=ast.AST() as annotation):
            yield annotation
        case ast.FunctionDef():
            yield from [*([node.returns] if node.returns else []), *node.decorator_list]
        case ast.ClassDef():
            yield from node.decorator_list
        case _:
            return


def _is_nothing(node: ast.AST) -> bool:
    """None itself, or what callers cannot tell from it."""
    return isinstance(node, ast.Constant) and node.value in (None, False)


def _is_sentence(value: str | bytes) -> bool:
    return isinstance(value, str) and " " in value
