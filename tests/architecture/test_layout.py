"""The house rules that no linter knows: sizes, names, documentation, and what may happen at import."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("playground", "tokenizer", "latent_actions", "dynamics", "apps", "weights")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
# A file is named after what it does; these names attract whatever has no home.
VAGUE_NAMES = {"utils", "util", "misc", "helpers", "helper", "common", "stuff"}
# Where global random state may be touched: nowhere in the library, because generators are passed in.
GLOBAL_SEEDING = {
    "torch.manual_seed",
    "torch.cuda.manual_seed",
    "torch.cuda.manual_seed_all",
    "random.seed",
    "np.random.seed",
}
PRIVATE_PATH = re.compile(r"[\"'(\s](/home/\w|/root/|/Users/\w|[A-Z]:\\Users)")

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def _files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=_name(path))


LIBRARY_FILES = _files(*PACKAGES)
ALL_FILES = _files(*PACKAGES, "tests", "examples")

every_library_file = pytest.mark.parametrize("path", LIBRARY_FILES, ids=_name)
every_file = pytest.mark.parametrize("path", ALL_FILES, ids=_name)


def _dotted(node: ast.expr) -> str:
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def _is_public(node: FunctionNode | ast.ClassDef) -> bool:
    if node.name.startswith("_"):
        return False
    decorators = [_dotted(item) for item in node.decorator_list]
    return not any(item.endswith((".setter", ".deleter", "overload", "override")) for item in decorators)


def _undocumented(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    """Names of the public classes, functions and methods in `body` that have no docstring."""
    for node in body:
        if not isinstance(node, FunctionNode | ast.ClassDef) or not _is_public(node):
            continue
        if not ast.get_docstring(node):
            yield f"{prefix}{node.name} (line {node.lineno})"
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(node.body, f"{prefix}{node.name}.")


def test_there_is_something_to_check() -> None:
    assert LIBRARY_FILES


@every_file
def test_files_and_functions_stay_small(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= MAX_FILE_LINES, f"{_name(path)} has {lines} lines; split it by subject"
    long = [
        f"{node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for node in ast.walk(_tree(path))
        if isinstance(node, FunctionNode) and (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert not long, f"{_name(path)}: functions above {MAX_FUNCTION_LINES} lines: {', '.join(long)}"


@every_file
def test_files_are_named_after_what_they_do(path: Path) -> None:
    assert path.stem not in VAGUE_NAMES, f"{_name(path)}: name the file after its subject"


@every_library_file
def test_public_names_are_documented(path: Path) -> None:
    tree = _tree(path)
    assert ast.get_docstring(tree), f"{_name(path)}: say in a module docstring what the file is for"
    missing = list(_undocumented(tree.body))
    assert not missing, f"{_name(path)}: no docstring: {', '.join(missing)}"


@every_library_file
def test_public_functions_are_typed(path: Path) -> None:
    untyped = []
    for node in ast.walk(_tree(path)):
        if isinstance(node, FunctionNode) and not node.name.startswith("_"):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            bare = [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
            if bare or node.returns is None:
                untyped.append(f"{node.name} (line {node.lineno}: {', '.join(bare) or 'return'})")
    assert not untyped, f"{_name(path)}: no type hints: {', '.join(untyped)}"


@every_library_file
def test_no_global_seeding_and_no_pickles(path: Path) -> None:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            assert not {"pickle", "dill", "joblib"} & set(modules), f"{_name(path)}:{node.lineno} imports a pickler"
        if not isinstance(node, ast.Call):
            continue
        called = _dotted(node.func)
        assert called not in GLOBAL_SEEDING, f"{_name(path)}:{node.lineno} {called}: pass a generator instead"
        if called == "torch.load":
            safe = any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords)
            assert safe, f"{_name(path)}:{node.lineno} torch.load without weights_only=True runs code from the file"
        if called in ("np.load", "numpy.load"):
            unsafe = any(k.arg == "allow_pickle" and ast.unparse(k.value) != "False" for k in node.keywords)
            assert not unsafe, f"{_name(path)}:{node.lineno} np.load with allow_pickle runs code from the file"


@every_library_file
def test_no_private_paths(path: Path) -> None:
    found = PRIVATE_PATH.search(path.read_text(encoding="utf-8"))
    assert found is None, f"{_name(path)} names a path of one machine: {found.group(0).strip()}"


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_ship_their_types(package: str) -> None:
    assert (ROOT / package / "__init__.py").is_file()
    assert (ROOT / package / "py.typed").is_file()
