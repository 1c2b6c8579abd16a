"""The hash of the code that a stage runs: its module, and what that imports from given packages, however deep.

    code_hash("onshelf_exporter.training.train")

Imports are read from the source, those inside functions too; nothing is imported. Files beside the code that a followed
module names, such as `abbreviations.csv`, count. Comments, docstrings and layout do not: they change no result.
Modules that only say, wait, refuse, or choose what is kept beside a result (WITHOUT_EFFECT) do not count either; the
values of a recipe are hashed where the recipe is.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

NAME = __name__.partition(".")[0]
PACKAGE = Path(__file__).parents[1]
FOLLOWED = (NAME, "onshelf_release")
WITHOUT_EFFECT = tuple(
    f"{NAME}.{name}" for name in ("process", "training.precision", "training.recipe", "training.workers")
)


@cache
def code_hash(
    *modules: str,
    within: tuple[str, ...] = FOLLOWED,
    without: tuple[str, ...] = WITHOUT_EFFECT,
    package: Path = PACKAGE,
) -> str:
    """Hash over modules and what they import; 16 hexadecimal digits.

    Args:
        modules: full names, such as "onshelf_exporter.training.train".
        within: only imports from these packages are followed.
        without: modules and packages that are neither followed nor counted.
        package: the folder of this package; that of others is found as Python finds it.

    Raises:
        ValueError: one of `modules` is not there.
    """
    digest = hashlib.sha256()
    for name in modules:
        if _file(name, package) is None:
            raise ValueError(f"code_hash: no source of module {name!r}")
    for path in sources(modules, within=within, without=without, package=package):
        digest.update(_name(path, package).encode() + b"\0")
        content = path.read_bytes()
        digest.update(_code(content) if path.suffix == ".py" else content)
    return digest.hexdigest()[:16]


@cache
def package_hash(name: str) -> str:
    """Hash over all modules of a package beside this one, such as "onshelf.files"; 16 hexadecimal digits."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ValueError(f"package_hash: no package {name!r}")
    folder, digest = Path(spec.origin).parent, hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + _code(path.read_bytes()))
    return digest.hexdigest()[:16]


def sources(
    modules: Iterable[str],
    *,
    within: tuple[str, ...] = FOLLOWED,
    without: tuple[str, ...] = WITHOUT_EFFECT,
    package: Path = PACKAGE,
) -> list[Path]:
    """The files of modules and of what they import and name, sorted by package and place in it, wherever the packages
    are installed; see `code_hash`.
    """
    waiting, seen, files = list(modules), set[str](), set[Path]()
    while waiting:
        name = waiting.pop()
        if name in seen or _below(name, without):
            continue
        seen.add(name)
        path = _file(name, package)
        if path is None:
            continue
        tree = _parsed(path.read_bytes())
        files |= {path, *_named_files(tree, path.parent, _root(path, package))}
        parents = (".".join(name.split(".")[:depth]) for depth in range(1, name.count(".") + 1))
        reached = [*parents, *_imports(tree)]
        waiting += [found for found in reached if _below(found, within)]
    return sorted(files, key=lambda path: _name(path, package))


def _below(name: str, packages: Iterable[str]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in packages)


def _file(module: str, package: Path) -> Path | None:
    """The source of a module; None where the name is another thing, such as a function of a module."""
    top, _, rest = module.partition(".")
    folder = package if top == NAME else _folder(top)
    if folder is None:
        return None
    place = folder.joinpath(*rest.split(".")) if rest else folder
    return next((path for path in (place / "__init__.py", place.with_suffix(".py")) if path.is_file()), None)


@cache
def _folder(package: str) -> Path | None:
    spec = find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def _root(path: Path, package: Path) -> Path:
    """The folder of the package that a file is of."""
    if path.is_relative_to(package):
        return package
    return next(folder for folder in path.parents if not (folder.parent / "__init__.py").is_file())


def _name(path: Path, package: Path) -> str:
    """A file's package and place in it, such as "onshelf_release/tables.py"."""
    root = _root(path, package)
    return f"{root.name}/{path.relative_to(root).as_posix()}"


@cache
def _parsed(source: bytes) -> ast.Module:
    """A source without comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:]
    return tree


def _imports(tree: ast.Module) -> Iterator[str]:
    """Names of what is imported, `module.thing` too, as the thing may be a module; not what is for type checks only."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            if node.level:
                raise ValueError(f"code_hash: relative imports are not followed: {ast.unparse(node)}")
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        waiting += ast.iter_child_nodes(node)


def _named_files(tree: ast.Module, folder: Path, package: Path) -> Iterator[Path]:
    """Files beside the module or at the package's root that the module names by a text of its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and 2 < len(node.value) < 100:
            for place in (folder, package):
                path = place / node.value
                if "." in node.value and path.suffix != ".py" and path.is_file() and path.is_relative_to(package):
                    yield path


@cache
def _code(source: bytes) -> bytes:
    return ast.dump(_parsed(source)).encode()
