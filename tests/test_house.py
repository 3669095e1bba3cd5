"""Who may import whom, as docs/architecture.md says it, and how a file looks: read from the source.

Each test lists its offenders: a failure names the modules that break the rule.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("reference", "conformance", "npu_kernels")
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
LONGEST = 320  # lines; about 300 is the house's rule
NAMELESS = ("told", "said", "asked", "some", "found")
"""Words that say how a thing came about, and not what it is."""
ANSWER = ("reference.dense", "reference.blockwise", "reference.bounds")


@dataclass(frozen=True)
class Rule:
    """What the modules of one folder may import; subfolders have rules of their own.

    Attributes
    ----------
    ours : tuple of str
        Folders and modules of this project, besides the folder itself; subfolders included.
    torch : "never", "late" or "top"
        late: inside functions, so that the module loads where there is no torch.
    """

    ours: tuple[str, ...]
    torch: str = "never"


PROBLEM = ("reference.problem", "reference.formats", "reference.mask", "reference.dropout")
ORACLE = (*PROBLEM, "reference.contract", "reference.parallel")
SUITE = Rule(("reference", "conformance"))
CASES = Rule((*PROBLEM, "reference.contract", "conformance.cases"))
RULES = {
    "reference": Rule(ORACLE),
    "reference.problem": Rule(PROBLEM),
    "reference.parallel": Rule(("reference.formats",)),
    "reference.blockwise": Rule(ORACLE),
    "reference.bounds": Rule((*ORACLE, "reference.bounds.float32")),
    "reference.bounds.float32": Rule((*ORACLE, "reference.bounds")),
    "conformance": SUITE,
    "conformance.cases": CASES,
    "conformance.cases.themes": CASES,
    "conformance.cases.golden": CASES,
    "conformance.cases.faults": CASES,
    "conformance.kernel": Rule(("reference", "conformance.strides")),
    "conformance.verdict": Rule(("reference", "conformance.kernel", "conformance.cases")),
    "conformance.standards": Rule(("reference", "conformance.kernel", "conformance.verdict")),
    "conformance.torch_bridge": Rule(
        ("reference", "conformance.verdict", "conformance.laws", "conformance.keywords"),
        torch="late",
    ),
    "conformance.laws": SUITE,
    "conformance.run": SUITE,
    "conformance.report": SUITE,
    "conformance.benchmark": SUITE,
    "conformance.golden": SUITE,
    "conformance.dropout": SUITE,
    "conformance.dropout.recovery": SUITE,
    "conformance.dropout.statistics": SUITE,
    "conformance.dropout.generators": SUITE,
    "conformance.dropout.battery_power": SUITE,
    "npu_kernels": Rule(("npu_kernels", *PROBLEM)),
    "npu_kernels.emulator": Rule(()),
    "npu_kernels.performance": Rule(("npu_kernels.ascend_c",)),
    "npu_kernels.on_device": Rule(
        ("npu_kernels.ascend_c", "npu_kernels.emulator", "reference.formats")
    ),
    "npu_kernels.ascend_c": Rule(
        (
            *PROBLEM,
            "reference.contract",
            "npu_kernels.emulator",
            "npu_kernels.on_device",
            "npu_kernels.performance",
        )
    ),
    "npu_kernels.probe": Rule(("npu_kernels", "reference.formats")),
    "npu_kernels.flash_attn": Rule(
        (*PROBLEM, "conformance.torch_bridge", "npu_kernels.ascend_c", "npu_kernels.on_device"),
        torch="top",
    ),
    "npu_kernels.torch_kernels": Rule(
        (*PROBLEM, "reference.contract", "conformance.torch_bridge", "npu_kernels.on_device"),
        torch="late",
    ),
}
BLIND = ("npu_kernels", "conformance.cases", "conformance.torch_bridge", "reference.problem")
"""What cannot see the answer, not even through what it imports: kernels, problems, their ways."""

SEES = ("conformance.torch_bridge.watch",)  # it judges the calls of a model


def is_in(module: str, folders: str | Iterable[str]) -> bool:
    """Whether a module is one of these, or lies below one of them."""
    folders = (folders,) if isinstance(folders, str) else folders
    return any(module == one or module.startswith(f"{one}.") for one in folders)


def folder_of(module: str) -> str:
    """The folder in which a module's file lies, with dots."""
    return ".".join(FILES[module].relative_to(ROOT).parent.parts)


@cache
def imports(module: str) -> frozenset[str]:
    """Everything a module imports, at its top or inside a function, by full name."""
    return frozenset(imported(ast.walk(ast.parse(FILES[module].read_text()))))


def at_top(module: str) -> frozenset[str]:
    """What comes with a module when it is imported: not what its functions or its types import."""
    return frozenset(imported(ast.parse(FILES[module].read_text()).body))


def imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The names in these nodes that are imports; a relative one is "." and what follows."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            yield start
            yield from (f"{start}.{alias.name}" for alias in node.names)


def stands_on(module: str) -> frozenset[str]:
    """The modules of this project that come with a module, itself included."""
    known, new = set(), {module}
    while new:
        known |= new
        new = {name for one in new for name in imports(one) if name in FILES} - known
    return frozenset(known)


def packages(module: str) -> set[str]:
    """The packages that a module imports, without the standard library."""
    return {name.split(".")[0] for name in imports(module)} - set(sys.stdlib_module_names)


def answers(names: Iterable[str]) -> list[str]:
    """The modules among `names` that know the answer."""
    return sorted(name for name in names if is_in(name, ANSWER))


def test_every_folder_has_a_rule_and_every_rule_a_folder() -> None:
    assert {folder_of(module) for module in FILES} == set(RULES)


def test_a_folder_imports_what_its_rule_allows() -> None:
    assert [
        f"{module} imports {name}"
        for module in FILES
        for name in imports(module) & FILES.keys()
        if folder_of(name) != folder_of(module)
        and name not in PACKAGES  # `from reference import dense` names dense, too
        and not is_in(name, RULES[folder_of(module)].ours)
    ] == []


def test_torch_is_imported_where_the_rule_says() -> None:
    allowed = {"never": frozenset(), "late": frozenset({"late"}), "top": frozenset({"late", "top"})}
    assert [
        f"{module}: {when}"
        for module in FILES
        for when, names in (("top", at_top(module)), ("late", imports(module)))
        if is_any_torch(names) and when not in allowed[RULES[folder_of(module)].torch]
    ] == []


def is_any_torch(names: Iterable[str]) -> bool:
    return any(is_in(name, ("torch", "torch_npu")) for name in names)


def test_imports_are_by_full_name() -> None:
    assert [one for one in FILES if any(name.startswith(".") for name in imports(one))] == []


def test_the_oracle_needs_only_numpy_and_threadpoolctl() -> None:
    allowed = {"numpy", "threadpoolctl", "reference"}
    assert [one for one in FILES if is_in(one, "reference") and packages(one) - allowed] == []
    assert not imports("reference")


def test_who_makes_or_solves_a_problem_cannot_see_the_answer() -> None:
    assert {
        module: seen
        for module in FILES
        if is_in(module, BLIND) and module not in SEES and (seen := answers(stands_on(module)))
    } == {}


def test_the_definition_the_oracle_and_the_bound_are_independent() -> None:
    assert [
        f"{module} stands on {other}"
        for module in answers(FILES)
        for other in answers(stands_on(module))
        for one in ANSWER
        if is_in(module, one) != is_in(other, one) and is_in(module, one)
    ] == []


def test_the_digest_of_our_kernel_covers_what_stands_between_it_and_a_problem() -> None:
    rooms = {"ascend_c", "emulator", "on_device", "performance"}  # the first is in the digest
    modules = stands_on("npu_kernels.ascend_c.kernel")
    assert {name.split(".")[1] for name in modules if name.startswith("npu_kernels.")} <= rooms


def test_nothing_imports_the_tests() -> None:
    tests = {"tests", *(path.name for path in (ROOT / "tests").iterdir() if path.is_dir())}
    assert [module for module in FILES if packages(module) & tests] == []


def test_a_file_is_short() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in (*FILES.values(), *(ROOT / "tests").rglob("*.py"))
    }
    assert {file: length for file, length in lengths.items() if length > LONGEST} == {}


def test_a_name_is_that_of_the_thing() -> None:
    assert [
        f"{module}:{line}: {name}"
        for module, path in FILES.items()
        for line, name in defined(ast.parse(path.read_text()))
        if name.strip("_").lower() in NAMELESS
    ] == []


def defined(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The lines and names of all that a module assigns or declares."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    declared = [*project["dependencies"], *(line for extra in extras for line in extra)]
    names = {re.match("[a-z0-9_]+", line)[0] for line in declared}
    machine = {"torch_npu"}  # comes with the hardware, if at all
    undeclared = {module: packages(module) - {*PACKAGES, *names, *machine} for module in FILES}
    assert {module: names for module, names in undeclared.items() if names} == {}


def test_a_docstring_begins_with_what_it_is_about() -> None:
    """A first sentence without a subject makes the reader look for it."""
    headless = re.compile(r"(Of|That of|As) ")
    offenders = [
        f"{module}:{node.lineno}"
        for module, path in FILES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Expr | ast.Constant)
        and isinstance(text := getattr(getattr(node, "value", None), "value", None), str)
        and headless.match(text)
    ]
    assert offenders == []


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
    ours = [module for module in FILES if is_in(module, ("reference", "conformance"))]
    assert set(ours) <= loaded_with(", ".join(ours), without=("torch",))


def test_the_plugin_costs_a_pytest_run_nothing() -> None:
    """It is loaded in every pytest run of its environment."""
    assert loaded_with("conformance.plugin").isdisjoint({"numpy", "torch", "reference.problem"})


def test_the_problem_does_not_load_the_answer() -> None:
    assert answers(loaded_with("reference.problem")) == []
