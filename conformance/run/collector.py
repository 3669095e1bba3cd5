"""Collector: gathers the records of a run, from workers too, and prints them at the end."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.benchmark import table as bench_table
from conformance.report.document import GROUPS, NAME, document, is_about, not_computed, suspicions
from conformance.report.table import table
from conformance.run.ours import is_report_of_ours
from conformance.run.record import Entry, Record, carried
from conformance.run.recording import lost
from conformance.run.run import Run

SHOWN = 10


class Collector:
    """A pytest plugin that lives in the process which prints.

    Attributes
    ----------
    run : Run
    rootdir : pytest's, which the ids of tests begin from
    records : one for each test of the suite that ran
    """

    def __init__(self, run: Run, *, rootdir: Path) -> None:
        self.run = run
        self.rootdir = rootdir
        self.records: list[Record] = []

    @property
    def tests(self) -> list[Entry]:
        """The tests, as a report lists them."""
        return [record.entry for record in self.records]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the record that a test's report carries."""
        record = carried(report.user_properties)
        ours = is_report_of_ours(report, rootdir=self.rootdir)
        if report.failed and ours and (report.when != "call" or record is None):
            entry = lost(report, [kernel.name for kernel in self.run.kernels])
            self.records.append(Record(entry=entry, spreads={}))
        if report.when == "call" and record is not None:
            outcome = "declined" if report.outcome == "skipped" else report.outcome
            entry = replace(record.entry, outcome=outcome, seconds=round(report.duration, 6))
            self.records.append(replace(record, entry=entry))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the report; a run in which nothing passed has failed."""
        if not self.records:
            return
        if not self._passed() and session.exitstatus in (
            pytest.ExitCode.OK,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self.run.report is not None:
            from conformance.report.page import write  # with matplotlib, which takes half a second

            complete = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
            write(self.run.report, document(self.run, self.records, complete=complete))

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The table kernel x feature, what is suspicious, and where the files are."""
        if not self.records:
            return
        tests, line = self.tests, terminalreporter.write_line
        terminalreporter.section("conformance")
        line(table(self.run, tests, width=shutil.get_terminal_size().columns))
        if timed := [test for test in tests if is_about(test, GROUPS["benchmark"])]:
            width = max(shutil.get_terminal_size().columns, bench_table.WIDTH)
            line(bench_table.table(timed, width=width))
        if pairs := suspicions(tests):
            line(f"suspicious, failures under --kernel-fail-suspicious: {len(pairs)}")
            for test, tensor in pairs[:SHOWN]:
                what = f"{test.kernel} {test.case} {test.format} {tensor.name}"
                line(f"  {what}: {tensor.suspicious}")
            if len(pairs) > SHOWN:
                line(f"  and {len(pairs) - SHOWN} more, in the report (--kernel-report DIR)")
        if reasons := not_computed(tests):
            line("statistics not computed, because errors are not independent:")
            for reason, tensors in reasons:
                line(f"  {tensors} tensors: {reason}")
        for remark in (one for record in self.records for one in record.remarks):
            line(remark)
        if not self._passed():
            line("FAILED: no test of the suite passed, so nothing was shown")
        if self.run.report is not None:
            from conformance.report.page import PAGE

            line(f"report: {self.run.report / PAGE}, and {NAME} beside it")
        if self.run.repro is not None and any(test.failed for test in tests):
            line(f"failures, each to run without pytest: {self.run.repro}")

    def _passed(self) -> bool:
        return any(test.outcome == "passed" for test in self.tests)
