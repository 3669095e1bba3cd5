"""The command: two reports beside each other; the schema of report.json."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from conformance.report import difference, schema

HELP = f"{difference.HELP}\n       python -m conformance.report schema (writes schema.json)"
USAGE = 2  # exit code


def main(argv: Sequence[str]) -> int:
    """Run the command; its exit code."""
    if argv[:1] in (["-h"], ["--help"]):
        print(HELP)
        return 0
    if list(argv) == ["schema"]:
        schema.FILE.write_text(schema.text())
        print(f"wrote {schema.FILE}")
        return 0
    if argv[:1] != ["compare"]:
        print(HELP, file=sys.stderr)
        return USAGE
    return difference.main(argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
