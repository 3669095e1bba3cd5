"""README, CONTRIBUTING and docs name files that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "golden_data" / "README.md")
LINK = re.compile(r"\]\(([^)#\s]+)?(?:#([^)\s]+))?\)")
FOLDERS = ("reference", "conformance", "npu_kernels", "golden_data", "tests", "examples", "docs")
PATH = re.compile(rf"\b(?:{'|'.join(FOLDERS)})(?:/[\w.]+)+\.(?:py|h|cpp|md|json|sh|asc|css|j2)\b")


def test_every_link_leads_to_a_file() -> None:
    missing = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target, _ in LINK.findall(page.read_text())
        if target and "://" not in target and not (page.parent / target).exists()
    ]
    assert not missing


def test_every_link_into_a_page_leads_to_a_heading() -> None:
    missing = [
        f"{page.relative_to(ROOT)}: {target}#{heading}"
        for page in PAGES
        for target, heading in LINK.findall(page.read_text())
        if heading and heading not in headings(page.parent / target if target else page)
    ]
    assert not missing


def test_every_path_that_a_page_names_is_there() -> None:
    missing = [
        f"{page.relative_to(ROOT)}: {path}"
        for page in PAGES
        for path in PATH.findall(page.read_text())
        if not (ROOT / path).exists()
    ]
    assert not missing


def headings(page: Path) -> set[str]:
    """The headings of a page as links spell them: lower case, words joined by dashes."""
    lines = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).strip().replace(" ", "-") for line in lines}
