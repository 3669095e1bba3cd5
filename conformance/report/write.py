"""Writes a run's report: report.json, and report.html beside it."""

from __future__ import annotations

import json
from pathlib import Path

from conformance.report.document import NAME
from conformance.report.page import Document, page

PAGE = "report.html"


def write(folder: Path, document: Document) -> None:
    """Write both files; report.json first, so that it is there whatever becomes of the page."""
    content = json.dumps(document, indent=1, allow_nan=False)
    (folder / NAME).write_text(content + "\n", encoding="utf-8")
    write_page(folder, document)


def write_page(folder: Path, document: Document) -> None:
    """Write report.html alone, with the pictures that the document names."""
    pictures = [(folder / name).read_text("utf-8") for name in document["pictures"]]
    (folder / PAGE).write_text(page(document, pictures=pictures), encoding="utf-8")
