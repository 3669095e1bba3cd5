"""The command: what can be done with report.json after the run."""

from __future__ import annotations

import sys

from conformance.report_compare import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
