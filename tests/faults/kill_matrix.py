"""Print how far beyond the bound each broken kernel is.

Run it as ``PYTHONPATH=tests python -m faults.kill_matrix CASE ...``.

Numbers are error / allowed of the worst tensor: above 1 the judge rejects. A dash is a fault that
does not apply: it reads a field that the problem has not.
"""

from __future__ import annotations

import sys

from conformance.cases import all_cases
from conformance.cases.case import Case
from conformance.cases.faults import FAULTS
from faults.test_claims import verdict


def ratio(fault: str, case: Case, format: str) -> str:
    """The worst tensor's error / allowed."""
    try:
        judged = verdict(fault, case, format)
    except (AttributeError, TypeError, ValueError, IndexError, KeyError):
        return "-"
    return f"{max(score.ratio for score in judged.tensors):.2g}"


def main(ids: list[str]) -> None:
    """Print one row to each case, format and fault."""
    asked = [(case, format) for case in all_cases() if case.id in ids for format in case.formats]
    for case, format in asked:
        variant = case.variant()
        for fault in FAULTS:
            claimed = "claimed" if fault in case.catches else ""
            row = (
                case.id.ljust(28),
                format,
                fault.ljust(32),
                ratio(fault, variant, format),
                claimed,
            )
            print(*row)


if __name__ == "__main__":
    main(sys.argv[1:])
