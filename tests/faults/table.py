"""Write docs/faults.md: every known fault, and how many of them each acceptance rule sees.

The README gets the same table. Run it as ``PYTHONPATH=tests python -m faults.table``; it takes
three minutes, for it asks every broken kernel, and right ones, everything that a case claims.
``--text`` writes the texts anew and keeps the counts. The right kernels include PyTorch's, so it
needs torch.
"""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

from conformance.cases import all_cases
from conformance.cases.case import Case
from conformance.cases.faults import FAULTS, Fault
from conformance.kernel import LoadedKernel, load
from conformance.standards.acceptance import RULES, Rejections, count_rejections
from conformance.verdict.expected import Expected
from faults import MUTANTS
from faults.host_kernel import Host
from faults.test_claims import sibling
from reference.formats import FORMATS

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
README = PAGE.parents[1] / "README.md"
NARROW = ("bf16", "fp16")
RIGHT = (
    "conformance.kernel:oracle",
    "npu_kernels:sdpa",
    "npu_kernels:sdpa_flash",
    "npu_kernels:eager",
)
KINDS = {
    "softmax": "Softmax, lse and precision",
    "misread": "What the problem asks for",
    "dropout": "Dropout",
    "layout": "Layout",
    "backward": "Backward",
}
TABLE = re.compile(r"\| rule \|.*?\n\n", re.DOTALL)
INTRODUCTION = """\
# Faults

What is known to go wrong in attention kernels. `tests/faults` has one broken kernel for each fault:
an honest kernel in NumPy with one step replaced. A case names the faults that it is there for (its
`catches`), and `tests/faults/test_claims.py` runs every such claim: the judge must reject the
broken kernel on that case, and accept the honest one.

This page is written by `PYTHONPATH=tests python -m faults.table`.

## What each rule sees

Every claim in {formats}, on the small variant of its case. Broken: {broken} answers of {faults}
broken kernels. Right: the honest kernel, the oracle in float32 and three of PyTorch's, on the same
problems; each is judged by its own contract, and counted where it supports the problem. A good rule
rejects every broken kernel and no right one.

{table}The first column of counts favours the derived bound: cases were chosen because the judge
catches the fault on them. The second does not. Why a fixed tolerance cannot have both:
[standards.md](standards.md#what-they-accept-and-what-they-reject).
`conformance/standards/acceptance.py` has the rules, with their sources, and counts for any list of
kernels and problems. Twice a baseline's error judges out, dq, dk and dv alone, as flash-attention's
tests do; all others judge every tensor.
"""


def claims() -> Iterator[tuple[Case, str, tuple[str, ...]]]:
    """A case's small variant, a format, and the faults that are claimed of it there."""
    for case in all_cases():
        for format in NARROW:
            faults = tuple(id for id in case.catches if format in FAULTS[id].formats)
            if format in case.formats and faults:
                yield case.variant(), format, faults


def count() -> tuple[dict[str, Rejections], dict[str, Rejections]]:
    """The counts of each rule for broken kernels, and for right ones."""
    right = [loaded("honest", Host()), *(load(spec) for spec in RIGHT)]
    totals = [dict.fromkeys(RULES, Rejections()) for _ in range(2)]
    for case, format, faults in claims():
        expected = Expected(problem=case.problem(FORMATS[format]))
        broken = [loaded(id, MUTANTS[id]()) for id in faults]
        if any(FAULTS[id].needs_two_calls for id in faults):
            for kernel in broken:
                kernel.function(sibling(expected.problem))
        for total, kernels in zip(totals, (broken, right), strict=True):
            for rule, counted in count_rejections(kernels, expected).items():
                total[rule] = total[rule].plus(counted)
    return totals[0], totals[1]


def loaded(name: str, function: Host) -> LoadedKernel:
    """A kernel of this folder, as the suite loads one."""
    return LoadedKernel(spec=f"faults:{name}", name=name, function=function)


def table_of(broken: dict[str, Rejections], right: dict[str, Rejections]) -> str:
    """The table of the rules, which ends in an empty line."""
    lines = [
        "| rule | what it asks, or who uses it | broken rejected | right rejected |",
        "|---|---|---|---|",
    ]
    for rule, meaning in RULES.items():
        counts = (f"{one[rule].rejected} / {one[rule].answers}" for one in (broken, right))
        lines.append(f"| {rule} | {meaning} | {' | '.join(counts)} |")
    return "\n".join(lines) + "\n\n"


def page(table: str) -> str:
    """The whole page, with this table."""
    broken = sum(len(faults) for *_, faults in claims())
    introduction = INTRODUCTION.format(
        table=table,
        formats=" and ".join(NARROW),
        broken=broken,
        faults=len(FAULTS),
    )
    parts = [introduction]
    for module, title in KINDS.items():
        parts.append(f"\n## {title}\n\n")
        source = importlib.import_module(f"conformance.cases.faults.{module}")
        members = (value for value in vars(source).values() if isinstance(value, tuple))
        faults = (one for value in members for one in value if isinstance(one, Fault))
        parts += [entry(fault) for fault in faults]
    return "".join(parts)


def table_in(path: Path) -> str:
    """The table that a page has now."""
    table = TABLE.search(path.read_text())
    assert table is not None, f"{path} has no table of rules to keep"
    return table.group()


def entry(fault: Fault) -> str:
    """What is known of one fault."""
    cases = [case.id for case in all_cases() if fault.id in case.catches]
    text = f"**{fault.id}**: {fault.what}.\n"
    text += f"Effect: {fault.effect}.\n" if fault.effect else ""
    text += f"Seen: {fault.seen}.\n" if fault.seen else ""
    if fault.strict_only:
        text += f"Statistics alone see it in {', '.join(fault.strict_only)}.\n"
    return f"{text}Caught by: {', '.join(f'`{id}`' for id in cases)}.\n\n"


def main() -> None:
    """Write the page, and its table into the README."""
    parser = argparse.ArgumentParser(prog="faults.table", description=__doc__)
    parser.add_argument("--text", action="store_true", help="keep the counts of the page")
    table = table_in(PAGE) if parser.parse_args().text else table_of(*count())
    PAGE.write_text(page(table))
    README.write_text(README.read_text().replace(table_in(README), table))


if __name__ == "__main__":
    main()
