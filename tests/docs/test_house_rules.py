"""Rules of the house that no tool checks."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = [path for path in ROOT.glob("*/src/*/**/*.py") if "v1" not in path.parts]
MOST = 4  # arguments of a constructor by position: a swapped text among more passes every check of types


def constructors(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Classes, and how many arguments their constructors take by position."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        decorated = [ast.unparse(one) for one in node.decorator_list]
        if any("dataclass" in one and "kw_only=True" not in one for one in decorated):
            yield node.name, sum(isinstance(field, ast.AnnAssign) for field in node.body)
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                yield node.name, len(method.args.posonlyargs + method.args.args) - 1


def test_constructors_above_four_arguments_are_by_keyword() -> None:
    assert len(SOURCES) > 300
    long = [
        f"{path.relative_to(ROOT)}: {name} takes {count}"
        for path in SOURCES
        for name, count in constructors(ast.parse(path.read_text(encoding="utf-8")))
        if count > MOST
    ]
    assert long == []
