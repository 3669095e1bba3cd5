"""A line for each workload while the benchmarks run: its test's id, then its time or outcome."""

from __future__ import annotations

import pytest

from conformance.benchmark.measure import line
from conformance.run.record import carried


class Progress:
    """A pytest plugin of the process that prints; with -q pytest's own dots stay.

    Attributes
    ----------
    config : pytest.Config
    numbers : dict from the node id of each workload's test to its place, from 1
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.numbers: dict[str, int] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Number the tests of workloads."""
        timed = (item for item in session.items if "workload" in getattr(item, "fixturenames", ()))
        self.numbers = {item.nodeid: number for number, item in enumerate(timed, 1)}

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Say what is verified and timed now; with -v pytest says it."""
        if nodeid not in self.numbers or self.config.get_verbosity() != 0:
            return
        number, count = self.numbers[nodeid], len(self.numbers)
        width = max(len(_id(one)) for one in self.numbers)
        newline = "\n" if number == 1 else ""
        self.config.get_terminal_writer().write(
            f"{newline}{number:>{len(str(count))}}/{count} {_id(nodeid):<{width}} ", flush=True
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """What pytest counts, and the rest of the line instead of a dot."""
        is_over = report.when == "call" or report.outcome != "passed"
        if not is_over or report.nodeid not in self.numbers or self.config.get_verbosity() < 0:
            return None
        record = carried(report.user_properties)
        text: str = "declined" if report.outcome == "skipped" else report.outcome
        if report.outcome == "passed" and record and record.entry.benchmark:
            text = line(record.entry.benchmark)
        return report.outcome, f"{text}\n", text


def _id(nodeid: str) -> str:
    return nodeid.partition("[")[2].removesuffix("]")
