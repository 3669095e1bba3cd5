"""Kernel: a function from Problem to Result. How one is found by its name, and called."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
import platform
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from reference import blockwise
from reference.contract import Contract
from reference.formats import Array
from reference.problem import Problem, Result

PROBLEM_TENSORS = ("q", "k", "v", "bias", "slopes", "sink", "dout", "dlse")


class UsageError(Exception):
    """The suite was asked for something that is not there; the text says how to mend it."""


class BadAnswer(Exception):
    """A kernel returned something else than a Result of NumPy arrays."""


class InputChanged(Exception):
    """A kernel wrote into the tensors it was given."""


class Kernel(Protocol):
    """What is judged: a function that answers a problem, or raises Unsupported.

    It may have attributes: ``name`` (str), ``contract`` (a Contract, or a function of the problem),
    ``backward(problem, out, lse) -> Result``, ``digest`` (str: which code ran),
    ``toolchain`` (str: what else decides its bits) and, for benchmarks, ``prepare(problem)``, which
    gives a launch.Launch, and ``device`` (str: "cpu", "emulator", or an accelerator).
    """

    def __call__(self, problem: Problem, /) -> Result:
        """The answer to `problem`."""
        ...


Call = Callable[..., Result]


@dataclass(frozen=True, eq=False, kw_only=True)
class Subject:
    """A kernel that was loaded, and the name it goes by.

    Attributes
    ----------
    spec : str
        How it was asked for: "module:attribute" or "path/to/file.py:attribute".
    name : str
        The kernel's own name, or the attribute's.
    function : Kernel
    isolated : function (method, problem, *statistics) -> Result, or None
        Runs the call elsewhere; None calls `function` here. See conformance.kernel.isolate.
    """

    spec: str
    name: str
    function: Kernel
    isolated: Call | None = None

    def __call__(self, problem: Problem) -> Result:
        """The kernel's answer.

        Raises
        ------
        Unsupported
            The kernel declines the problem.
        BadAnswer
            It returned something else than a Result of NumPy arrays.
        InputChanged
            It wrote into the problem's tensors.
        """
        if self.isolated is not None:
            return self.isolated("forward", problem)
        return _call(self.function, problem)

    @property
    def backward(self) -> Call | None:
        """``backward(problem, out, lse) -> Result`` for gradients alone; None if there is none."""
        function = getattr(self.function, "backward", None)
        if function is None:
            return None
        if self.isolated is not None:
            isolated = self.isolated
            return lambda problem, out, lse: isolated("backward", problem, out, lse)
        return lambda problem, out, lse: _call(function, problem, out, lse)

    def contract(self, problem: Problem) -> Contract:
        """What the kernel promises for `problem`; the default Contract if it says nothing."""
        declared = getattr(self.function, "contract", None)
        if declared is None:
            return Contract()
        contract = declared(problem) if callable(declared) else declared
        if not isinstance(contract, Contract):
            raise TypeError(
                f"kernel {self.name}: its contract is {contract!r:.60}: "
                "give a reference.contract.Contract, or a function of the problem that returns one"
            )
        return contract

    @property
    def digest(self) -> str | None:
        """Which code runs, in the kernel's own words."""
        digest = getattr(self.function, "digest", None)
        return None if digest is None else str(digest)

    @property
    def toolchain(self) -> str:
        """What decides the bits of its answers besides its code; by default, this machine."""
        said = getattr(self.function, "toolchain", None)
        return f"{platform.machine()}, numpy {np.__version__}" if said is None else str(said)

    @property
    def device(self) -> str:
        """Where it runs, in the kernel's own words; "cpu" if it says nothing."""
        return str(getattr(self.function, "device", "cpu"))

    @property
    def prepare(self) -> Callable[..., Any] | None:
        """``prepare(problem)`` of a kernel that can be timed; None if there is none."""
        prepare: Callable[..., Any] | None = getattr(self.function, "prepare", None)
        return prepare


def oracle(problem: Problem) -> Result:
    """The blockwise oracle as a kernel: in float32, rounded where the default Contract says."""
    return blockwise.attention(problem, contract=Contract())


def _call(function: Call, problem: Problem, *statistics: Array) -> Result:
    with unchanged(problem):
        result = function(problem, *statistics)
    return checked(result)


@contextmanager
def unchanged(problem: Problem) -> Iterator[None]:
    """Watch over a problem's tensors.

    Raises
    ------
    InputChanged
        Somebody wrote into one.
    """
    before = _fingerprints(problem)
    yield
    after = _fingerprints(problem)
    if changed := [name for name, print in before.items() if after[name] != print]:
        raise InputChanged(
            f"the kernel changed its input {', '.join(changed)}: work on a copy of it"
        )


def checked(result: object) -> Result:
    """What a kernel gave, if it is a Result of NumPy arrays.

    Raises
    ------
    BadAnswer
        It is not.
    """
    if not isinstance(result, Result):
        raise BadAnswer(
            f"the kernel returned a {type(result).__name__}: give a reference.problem.Result"
        )
    for name, tensor in result.tensors():
        if not isinstance(tensor, np.ndarray):
            raise BadAnswer(
                f"the kernel returned {name} as a {type(tensor).__name__}: give a NumPy array"
            )
    return result


def _fingerprints(problem: Problem) -> dict[str, int]:
    tensors = {name: getattr(problem, name) for name in PROBLEM_TENSORS}
    tensors["mask keep"] = problem.mask.keep
    return {
        name: zlib.crc32(np.ascontiguousarray(tensor).data)
        for name, tensor in tensors.items()
        if tensor is not None and tensor.size
    }


def load(spec: str) -> Subject:
    """The kernel that "module:attribute" or "path/to/file.py:attribute" names.

    Raises
    ------
    UsageError
        If there is no such file, module or attribute, or it is no function.
    Exception
        Whatever the kernel's own module raises while it is imported.
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
    name = str(getattr(function, "name", attribute))
    return Subject(spec=spec, name=name, function=function)


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
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise UsageError(f"kernel {spec!r}: {path} is no Python file: give one that ends in .py")
    _make_importable(path.parent)
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _load_module(spec: str, name: str) -> ModuleType:
    _make_importable(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
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
