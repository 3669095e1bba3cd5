"""Gathers the records of a run, from workers too, and tells them at the end."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from conformance.benchmark import table as bench_table
from conformance.report.document import NAME, document
from conformance.report.table import not_computed, suspicions, table
from conformance.report.write import PAGE, write
from conformance.run.ours import is_report_of_ours
from conformance.run.record import KEY, PICTURE, REMARK, Record, lost
from conformance.run.run import Run

SHOWN = 10


class Ledger:
    """A pytest plugin that lives in the process which prints.

    Attributes
    ----------
    run : Run
    rootdir : pytest's, which the ids of tests begin from
    records : one for each test of the suite that ran
    remarks : lines that tests leave for the end
    pictures : SVG files that they leave in the report's folder
    """

    def __init__(self, run: Run, *, rootdir: Path) -> None:
        self.run = run
        self.rootdir = rootdir
        self.records: list[Record] = []
        self.remarks: list[str] = []
        self.pictures: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the record that a test's report carries."""
        kept = any(key == KEY for key, _ in report.user_properties)
        if (
            report.failed
            and is_report_of_ours(report, rootdir=self.rootdir)
            and (report.when != "call" or not kept)
        ):
            names = [kernel.name for kernel in self.run.kernels]
            self.records.append(lost(report, names))
        if report.when != "call":
            return
        outcome = "declined" if report.outcome == "skipped" else report.outcome
        for key, record in report.user_properties:
            if key == KEY and isinstance(record, dict):
                told = {"outcome": outcome, "seconds": round(report.duration, 6)}
                self.records.append(record | told)
            if key == REMARK:
                self.remarks.append(str(record))
            if key == PICTURE:
                self.pictures.append(str(record))

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
            complete = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
            pictures = self.pictures
            told = document(self.run, self.records, pictures=pictures, complete=complete)
            write(self.run.report, told)

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The table kernel x feature, what is suspicious, and where the files are."""
        if not self.records:
            return
        tell = terminalreporter
        tell.section("conformance")
        tell.write_line(table(self.run, self.records, width=shutil.get_terminal_size().columns))
        if timed := [record for record in self.records if record["test"] == "test_workload"]:
            width = max(shutil.get_terminal_size().columns, bench_table.WIDTH)
            tell.write_line(bench_table.table(timed, width=width))
        if lines := suspicions(self.records):
            tell.write_line(f"suspicious, failures under --kernel-fail-suspicious: {len(lines)}")
            for line in lines[:SHOWN]:
                tell.write_line(f"  {line}")
            if len(lines) > SHOWN:
                tell.write_line(
                    f"  and {len(lines) - SHOWN} more, in the report (--kernel-report DIR)"
                )
        if reasons := not_computed(self.records):
            tell.write_line("statistics not computed, because errors are not independent:")
            for reason, tensors in reasons:
                tell.write_line(f"  {tensors} tensors: {reason}")
        for remark in self.remarks:
            tell.write_line(remark)
        if not self._passed():
            tell.write_line("FAILED: no test of the suite passed, so nothing was shown")
        if self.run.report is not None:
            tell.write_line(f"report: {self.run.report / PAGE}, and {NAME} beside it")
        if self.run.repro is not None and any(record["failed"] for record in self.records):
            tell.write_line(f"failures, each to run without pytest: {self.run.repro}")

    def _passed(self) -> bool:
        return any(record["outcome"] == "passed" for record in self.records)
