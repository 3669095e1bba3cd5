"""Who may import whom, as docs/architecture.md says it, read from the source."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("reference", "conformance", "npu_kernels")
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
LONGEST = 320  # lines; about 300 is the house's rule


def modules(prefix: str) -> list[str]:
    """The modules of a package, or those into which one module is split."""
    return [name for name in FILES if name.startswith(prefix)]


TORCH = [name for name in modules("conformance.torch_bridge") if not name.endswith("watch")]
"""watch judges, so it knows the answer."""


@cache
def imports(module: str) -> frozenset[str]:
    """Everything a module imports, at its top or inside a function, by full name."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import: write the full name"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def stands_on(module: str) -> frozenset[str]:
    """The modules of this project that come with a module, itself included."""
    found, new = set(), {module}
    while new:
        found |= new
        new = {name for one in new for name in imports(one) if name in FILES} - found
    return frozenset(found)


def tops(module: str) -> set[str]:
    """The packages that a module imports, without the standard library."""
    return {name.split(".")[0] for name in imports(module)} - set(sys.stdlib_module_names)


def answers(names: frozenset[str]) -> list[str]:
    """The modules among `names` that know the answer."""
    know = ("reference.dense", "reference.blockwise", "reference.bounds")
    return sorted(name for name in names if name.startswith(know))


@pytest.mark.parametrize("module", modules("reference"))
def test_the_oracle_needs_only_numpy_and_threadpoolctl(module: str) -> None:
    assert tops(module) <= {"numpy", "threadpoolctl", "reference"}


@pytest.mark.parametrize("module", modules("conformance"))
def test_the_suite_does_not_know_our_kernels(module: str) -> None:
    assert "npu_kernels" not in tops(module)


@pytest.mark.parametrize("module", modules("npu_kernels"))
def test_a_kernel_cannot_see_the_answer(module: str) -> None:
    assert answers(stands_on(module)) == []
    suite = {name for name in imports(module) if name in FILES and name.startswith("conformance")}
    assert suite <= {"conformance", "conformance.torch_bridge"}


@pytest.mark.parametrize("module", modules("reference.problem") + TORCH)
def test_what_a_kernel_stands_on_does_not_load_the_answer(module: str) -> None:
    assert answers(stands_on(module)) == []


@pytest.mark.parametrize("module", modules("reference.blockwise"))
def test_blockwise_and_the_definition_are_independent(module: str) -> None:
    assert "reference.dense" not in stands_on(module)
    assert module not in stands_on("reference.dense")


@pytest.mark.parametrize("module", modules("reference.bounds"))
def test_the_bound_does_not_lean_on_the_oracle(module: str) -> None:
    assert [name for name in answers(stands_on(module)) if "bounds" not in name] == []


def test_the_digest_of_our_kernel_covers_what_stands_between_it_and_a_problem() -> None:
    rooms = {"ascend_c", "emulator", "on_device", "performance"}  # the first is in the digest
    found = stands_on("npu_kernels.ascend_c.kernel")
    assert {name.split(".")[1] for name in found if name.startswith("npu_kernels.")} <= rooms


@pytest.mark.parametrize("module", FILES)
def test_nothing_imports_the_tests(module: str) -> None:
    assert tops(module).isdisjoint(
        {"tests", *(path.name for path in (ROOT / "tests").iterdir() if path.is_dir())}
    )


@pytest.mark.parametrize("module", FILES)
def test_a_file_is_short(module: str) -> None:
    assert len(FILES[module].read_text().splitlines()) <= LONGEST


def test_the_reference_package_imports_nothing() -> None:
    assert not imports("reference")


@pytest.mark.parametrize("module", FILES)
def test_what_is_imported_is_declared(module: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    declared = [*project["dependencies"], *(line for extra in extras for line in extra)]
    names = {re.match("[a-z0-9_]+", line)[0] for line in declared}
    machine = {"torch_npu"}  # comes with the hardware, if at all
    assert tops(module) <= {*PACKAGES, *names, *machine}


ABSENT = """
class Finder:
    def find_spec(name, path=None, target=None):
        if name in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Finder)
"""
"""Not None in sys.modules: SciPy takes what is there for the module itself."""


def loaded_with(module: str, *, without: tuple[str, ...] = ()) -> set[str]:
    """The modules in a fresh interpreter after an import; those in `without` are not installed."""
    command = f"import sys\n{ABSENT}absent = {without!r}\nimport {module}\nprint(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_everything_but_the_kernels_imports_without_torch() -> None:
    ours = [*modules("reference"), *modules("conformance")]
    assert set(ours) <= loaded_with(", ".join(ours), without=("torch",))


def test_the_plugin_costs_a_pytest_run_nothing() -> None:
    """It is loaded in every pytest run of its environment."""
    assert loaded_with("conformance.plugin").isdisjoint({"numpy", "torch", "reference.problem"})


def test_the_problem_does_not_load_the_answer() -> None:
    assert answers(frozenset(loaded_with("reference.problem"))) == []
