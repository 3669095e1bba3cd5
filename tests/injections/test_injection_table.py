"""docs/injections.md says what there is, and every rule is broken by something that exists."""

from __future__ import annotations

from emulator import build

from injections import table
from injections.rules import ORDER, USE

LEAST = 40


def known() -> set[str]:
    faults = (name for module in table.modules().values() for name in module)
    return {*faults, *build.micro_tests()}


def test_the_page_is_what_the_code_says():
    page = build.ROOT / "docs" / "injections.md"
    assert page.read_text() == table.render(), (
        "PYTHONPATH=tests python -m injections.table > docs/injections.md"
    )


def test_every_rule_names_tests_that_exist():
    named = {name for rules in (ORDER, USE) for names in rules.values() for name in names}
    assert not named - known()


def test_there_are_enough_faults():
    of_our_kernels = sum(map(len, table.modules().values()))
    assert of_our_kernels + len(table.small_kernel()) >= LEAST
