"""Which code the vectors come from: a digest that neither comments nor docstrings change."""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROBLEMS = ("cases/case", "cases/inputs", "cases/patterns", "strides")  # what makes a problem
NOT_RUN = "dense.py"  # the definition: vectors come from the tiles


@cache
def oracle_digest() -> str:
    """Hexadecimal sha256 of the sources that make problems, answers and bounds."""
    reference = ROOT / "reference"
    files = [path for path in sorted(reference.rglob("*.py")) if path.name != NOT_RUN]
    files += [ROOT / "conformance" / f"{name}.py" for name in PROBLEMS]
    return digest((path.relative_to(ROOT).as_posix(), path.read_text()) for path in files)


def digest(sources: Iterable[tuple[str, str]]) -> str:
    """Hexadecimal sha256 of Python sources, each with its name; only what runs counts."""
    hashed = hashlib.sha256()
    for name, text in sources:
        what_runs = code(text)
        hashed.update(f"{name}\0{len(what_runs)}\0{what_runs}".encode())
    return hashed.hexdigest()


def code(source: str) -> str:
    """A source without comments, docstrings and empty lines; the same on every Python."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is None:
                continue
            text = node.body[0]
            for row in range(text.lineno - 1, text.end_lineno or text.lineno):
                lines[row] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())
