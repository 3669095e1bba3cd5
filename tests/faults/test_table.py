"""docs/faults.md says what there is, and the README quotes its table."""

from __future__ import annotations

import re

from faults import table


def test_the_page_is_what_the_catalogue_says_beside_its_counts():
    assert table.PAGE.read_text() == table.page(table.table_in(table.PAGE)), (
        "PYTHONPATH=tests python -m faults.table --text"
    )


def test_the_readme_has_the_table_of_the_page():
    assert table.table_in(table.README) == table.table_in(table.PAGE), (
        "PYTHONPATH=tests python -m faults.table --text"
    )


def test_every_rule_was_asked_every_claim():
    counts = re.findall(r"\d+ / (\d+) \| \d+ / (\d+) \|\n", table.table_in(table.PAGE))
    claims = sum(len(faults) for *_, faults in table.claims())
    assert len(counts) == len(table.RULES)
    assert {int(broken) for broken, _ in counts} == {claims}, (
        "PYTHONPATH=tests python -m faults.table"
    )
    assert len({right for _, right in counts}) == 1
