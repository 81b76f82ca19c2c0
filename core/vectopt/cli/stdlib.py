"""The demo's texts: the docstrings of the Python standard library that runs it. Nothing is imported, only parsed."""

from __future__ import annotations

import ast
import os
import sysconfig
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from vectopt import Item

_SKIPPED = {"test", "tests", "idlelib", "site-packages", "dist-packages", "__pycache__"}
_SHORTEST = 20  # characters
_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_KINDS = {ast.Module: "module", ast.ClassDef: "class", ast.FunctionDef: "function", ast.AsyncFunctionDef: "function"}


def library() -> Path:
    """Return the folder of the standard library's sources."""
    return Path(sysconfig.get_path("stdlib"))


def docstrings(root: Path) -> Iterator[Item]:
    """Yield the docstrings of all modules, classes and functions below a folder, with where they stand as metadata."""
    seen: Counter[str] = Counter()
    for path in _sources(root):
        module = _module_name(path.relative_to(root))
        for qualname, kind, text in _documented(_parsed(path)):
            name = f"{module}.{qualname}" if qualname else module
            copy = f"#{seen[name]}" if seen[name] else ""  # a name may be defined twice, by platform
            seen[name] += 1
            yield Item(text, {"name": name, "module": module, "qualname": qualname, "kind": kind}, f"{name}{copy}")


def _sources(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(".py"))


def _module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _parsed(path: Path) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old escapes in somebody else's strings
            return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])  # a template, or a file of another Python


def _documented(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Yield qualified name, kind and docstring, in the order of the source."""
    waiting: list[tuple[ast.AST, str]] = [(tree, "")]
    while waiting:
        node, name = waiting.pop()
        if isinstance(node, _Documented):
            text = ast.get_docstring(node)
            if text and len(text) >= _SHORTEST:
                yield name, _KINDS[type(node)], text
        for child in reversed(list(ast.iter_child_nodes(node))):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                waiting.append((child, f"{name}.{child.name}" if name else child.name))
            elif isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
                waiting.append((child, name))
