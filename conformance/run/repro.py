"""A failure on disk: one .py and one .safetensors that show it again without pytest."""

from __future__ import annotations

import re
from pathlib import Path

from conformance.kernel import LoadedKernel, load
from conformance.problem_file import load as load_problem
from conformance.problem_file import save
from conformance.verdict.ask import ask, ask_backward
from conformance.verdict.expected import Expected
from conformance.verdict.explain import explain
from reference.problem import Problem

SCRIPT = '''"""{title}

Needs the packages `reference` and `conformance`, and the kernel. Exit code 0: it passes now.

{text}
"""

import sys
from pathlib import Path

sys.path[1:1] = {folders!r}

from conformance.run.repro import rerun

problem = Path(__file__).with_suffix(".safetensors")
sys.exit(rerun({spec!r}, problem, backward_alone={backward_alone!r}, strict={strict!r}))
'''


def write(
    folder: Path,
    name: str,
    *,
    kernel: LoadedKernel,
    problem: Problem,
    backward_alone: bool,
    strict: bool,
    text: str,
) -> Path:
    """Write the two files of one failure; the path of the script."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("_")
    save(problem, folder / f"{stem}.safetensors")
    script = folder / f"{stem}.py"
    folders = [str(Path.cwd()), str(Path(__file__).parents[2])]
    script.write_text(
        SCRIPT.format(
            title=f"{kernel.spec} fails {name}.",
            text=text.replace("\\", "/").replace('"""', "'''"),
            folders=folders,
            spec=_from_anywhere(kernel.spec),
            backward_alone=backward_alone,
            strict=strict,
        )
    )
    return script


def rerun(spec: str, path: Path, *, backward_alone: bool = False, strict: bool = False) -> int:
    """Judge a kernel on a problem file and print the verdict; 0 if it passes, else 1."""
    expected = Expected(problem=load_problem(path))
    verdict = (ask_backward if backward_alone else ask)(load(spec), expected)
    if verdict.passes(strict=strict):
        print(f"{spec} passes {path.name}")
        return 0
    print(explain(verdict, expected.problem))
    return 1


def _from_anywhere(spec: str) -> str:
    source, _, attribute = spec.rpartition(":")
    is_file = source.endswith(".py") or "/" in source
    return f"{Path(source).resolve()}:{attribute}" if is_file else spec
