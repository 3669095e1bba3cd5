"""How a kernel is found by its name: "module:attribute" or "path/to/file.py:attribute"."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import pkgutil
import sys
from pathlib import Path
from types import ModuleType

from conformance.kernel.calling import KernelRaised, UsageError, call
from conformance.kernel.loaded import LoadedKernel

ATTRIBUTES = (
    *("name", "contract", "backward", "digest", "toolchain", "prepare", "device"),
    "for_benchmarks",
)
"""What the suite reads of a kernel: see Kernel."""


def load(spec: str, *, for_benchmarks: bool = False) -> LoadedKernel:
    """The kernel that "module:attribute" or "path/to/file.py:attribute" names.

    Parameters
    ----------
    for_benchmarks : bool
        Load the kernel that is timed in its place: its attribute ``for_benchmarks``, if it has one.

    Raises
    ------
    UsageError
        If there is no such file, module or attribute, or it is no function.
    KernelRaised
        If the kernel's own module raises while it is imported.
    """
    source, colon, attribute = spec.rpartition(":")
    if not colon or not source or not attribute:
        raise UsageError(
            f"kernel {spec!r} names no attribute: "
            "write module:attribute or path/to/file.py:attribute"
        )
    is_file = source.endswith(".py") or "/" in source
    module = _load_file(spec, Path(source)) if is_file else _load_module(spec, source)
    function = module
    for part in attribute.split("."):
        try:
            function = getattr(function, part)
        except AttributeError as error:
            why = f"{source} has no attribute {part!r}: {_near(part, function)}"
            if hasattr(function, "__getattr__"):
                why = str(error)  # a module that makes its kernels knows what is missing
            raise UsageError(f"kernel {spec!r}: {why}") from None
    if isinstance(function, type) or not callable(function):
        kind = f"the class {attribute}" if isinstance(function, type) else f"{function!r:.40}"
        raise UsageError(f"kernel {spec!r} is {kind}: give a function Problem -> Result")
    _check_backward(spec, getattr(function, "backward", None))
    if for_benchmarks:
        function = getattr(function, "for_benchmarks", function)
    name = str(getattr(function, "name", attribute))
    return LoadedKernel(spec=spec, name=name, function=function, doubts=_doubts(function))


def _doubts(function: object) -> tuple[str, ...]:
    """A line for each attribute whose name is nearly one that the suite reads."""
    doubts = []
    for name in vars(function) if hasattr(function, "__dict__") else ():
        near = difflib.get_close_matches(name, ATTRIBUTES, n=1, cutoff=0.8)
        if near and name not in ATTRIBUTES:
            doubts.append(f"its attribute {name!r} is not read: did you mean {near[0]!r}?")
    return tuple(doubts)


def _check_backward(spec: str, backward: object) -> None:
    """Refuse a backward that cannot be called as ``backward(problem, out, lse)``."""
    if backward is None:
        return
    if not callable(backward):
        raise UsageError(
            f"kernel {spec!r}: its backward is {backward!r:.40}: "
            "give a function backward(problem, out, lse) -> Result"
        )
    try:
        signature = inspect.signature(backward)
    except ValueError:  # a function of C may not tell
        return
    try:
        signature.bind("problem", "out", "lse")
    except TypeError:
        raise UsageError(
            f"kernel {spec!r}: its backward takes {signature}: "
            "it is called as backward(problem, out, lse) and returns the gradients as a Result"
        ) from None


def _load_file(spec: str, path: Path) -> ModuleType:
    if not path.is_file():
        folder = path.parent
        names = [other.name for other in folder.glob("*.py")] if folder.is_dir() else []
        hint = _hint(path.name, names) if folder.is_dir() else f"{folder} is no folder"
        raise UsageError(f"kernel {spec!r}: there is no file {path}: {hint}")
    path = path.resolve()
    name = str(path)  # cannot be taken by another module
    if name in sys.modules:
        return sys.modules[name]
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or module_spec.loader is None:
        raise UsageError(f"kernel {spec!r}: {path} is no Python file: give one that ends in .py")
    _make_importable(path.parent)
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        call(module_spec.loader.exec_module, module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _load_module(spec: str, name: str) -> ModuleType:
    _make_importable(Path.cwd())
    try:
        return call(importlib.import_module, name)
    except KernelRaised as raised:
        error = raised.__cause__
        if not isinstance(error, ModuleNotFoundError):
            raise
        missing = error.name or ""
        if missing != name and not name.startswith(missing + "."):
            raise  # the kernel's module is there, and misses something itself
        parent, _, last = missing.rpartition(".")
        folders = getattr(sys.modules.get(parent), "__path__", None) if parent else None
        names = [module.name for module in pkgutil.iter_modules(folders)]
        raise UsageError(
            f"kernel {spec!r}: there is no module {missing!r}: {_hint(last, names)}"
        ) from None


def _make_importable(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))  # last: it must not hide an installed package


def _near(name: str, module: object) -> str:
    names = (
        [
            attribute
            for attribute, value in vars(module).items()
            if callable(value) and not attribute.startswith("_") and not isinstance(value, type)
        ]
        if hasattr(module, "__dict__")
        else []
    )
    return _hint(name, names)


def _hint(name: str, names: list[str]) -> str:
    if near := difflib.get_close_matches(name, names, n=3):
        return f"did you mean {' or '.join(near)}?"
    if 0 < len(names) <= 12:
        return f"there is {', '.join(sorted(names))}"
    return "check the spelling, and that it can be imported from here"
