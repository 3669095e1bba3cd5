"""Writes docs/injections.md: PYTHONPATH=tests python -m injections.table > docs/injections.md."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Mapping

from emulator import build

from injections.injection import Injection
from injections.rules import ORDER, USE

KINDS = ("chip", "backward", "gradients", "mask", "scores")
REFUSED = re.compile(r"expect_refused\(\s*Fault::(\w+),\s*\{(.*?)\}\)", re.DOTALL)
CATCHERS = {"emulator": "the emulator's report", "judge": "tensors that the judge rejects"}
INTRODUCTION = """\
# Injections

What is done wrong on purpose, and what notices. Written by `tests/injections/table.py`, checked by
`tests/injections/test_injection_table.py`.

## Rules

Micro-tests (`tests/emulator`, names with underscores) break a rule in a few lines; faults in our
kernels (below, names with hyphens) break it where it matters. Names that end in
`shows_in_the_numbers` are of adversarial mode: other numbers with all checks off.
"""


def modules() -> dict[str, dict[str, Injection]]:
    """The faults in our kernels, by module, then by name."""
    found = {}
    for name in KINDS:
        module = importlib.import_module(f"injections.{name}")
        found[name] = {
            name: one
            for value in vars(module).values()
            if isinstance(value, dict)
            for name, one in value.items()
            if isinstance(one, Injection)
        }
    return found


def small_kernel() -> dict[str, tuple[str, ...]]:
    """The faults of the small kernel in C++, and what its refusals say."""
    source = (build.MICRO_TESTS / "test_injections.cpp").read_text()
    return {
        fault: tuple(re.findall(r'"([^"]*)"', texts)) for fault, texts in REFUSED.findall(source)
    }


def render() -> str:
    """The page."""
    parts = [INTRODUCTION]
    for title, rules in (("Order", ORDER), ("Use", USE)):
        parts.append(f"\n### {title}\n\n| rule | broken by |\n| --- | --- |\n")
        parts += [
            f"| {rule} | {', '.join(f'`{name}`' for name in names)} |\n"
            for rule, names in rules.items()
        ]
    parts.append("\n## Faults in a small kernel\n\nOf `tests/emulator/small_attention.h`.\n\n")
    parts.append(_table("the emulator's report", small_kernel()))
    for module, faults in modules().items():
        parts.append(f"\n## `tests/injections/{module}.py`\n\n{len(faults)} faults.\n\n")
        for catcher in sorted({one.by for one in faults.values()}):
            caught = {name: one.says for name, one in faults.items() if one.by == catcher}
            parts.append(_table(CATCHERS.get(catcher, catcher), caught) + "\n")
    return "".join(parts).rstrip() + "\n"


def _table(heading: str, rows: Mapping[str, tuple[str, ...]]) -> str:
    lines = [f"| fault | {heading} |\n| --- | --- |\n"]
    for name, texts in rows.items():
        lines.append(f"| `{name}` | {', '.join(f'`{text}`' for text in texts)} |\n")
    return "".join(lines)


if __name__ == "__main__":
    sys.stdout.write(render())
