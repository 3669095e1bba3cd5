"""The report: a page that needs nothing but itself, and says what the document says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
import pytest
import support.report_sample as sample
from matplotlib.colors import BoundaryNorm

import conformance
from conformance.report.document import GROUPS, ROWS, Report, is_about
from conformance.report.figures import EDGES, SHARES, inlined
from conformance.report.page import page, write, write_page
from conformance.report.schema import FILE, schema, text
from conformance.report.spread import LEAST, MOST, map_of, spread_of
from conformance.report.table import table
from conformance.run.plain import from_json, to_json
from conformance.run.record import Record, Spread, carried
from conformance.verdict.error import Compared
from conformance.verdict.verdict import TensorVerdict
from reference.formats import FP32

SCHEMA = schema()
VOID = {"meta", "link", "input", "br"}


class Reader(HTMLParser):
    """What a page loads, its text, its ids, and whether its tags are closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.text: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        """A tag begins."""
        named = dict(attributes)
        links = [named.get(name) or "" for name in ("src", "href", "xlink:href", "action")]
        self.loads += [link for link in links if link and not link.startswith(("#", "data:"))]
        self.ids += [named["id"]] if "id" in named else []
        self.open += [tag] if tag not in VOID else []

    def handle_startendtag(self, tag, attributes):
        """A tag begins and ends."""
        self.handle_starttag(tag, attributes)
        self.open = self.open[:-1] if tag not in VOID else self.open

    def handle_endtag(self, tag):
        """A tag ends."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Text."""
        self.text.append(data)


@pytest.fixture(scope="module")
def html() -> str:
    return page(sample.EVERYTHING, pictures=['<?xml?><svg width="9pt"><g id="a"/>drops</svg>'])


def test_the_sample_keeps_the_schema() -> None:
    jsonschema.validate(to_json(sample.EVERYTHING), SCHEMA)


def test_the_schema_refuses_what_a_report_cannot_hold() -> None:
    damaged = to_json(sample.EVERYTHING)
    damaged["tests"][0]["tensors"][0]["ratio"] = "much"
    with pytest.raises(jsonschema.ValidationError, match="much"):
        jsonschema.validate(damaged, SCHEMA)


def test_the_committed_schema_is_the_one_of_the_dataclasses() -> None:
    assert FILE.read_text() == text(), "run: python -m conformance.report schema"


def test_a_report_comes_back_from_its_json() -> None:
    there = json.loads(json.dumps(to_json(sample.EVERYTHING)))
    assert from_json(Report, there) == sample.EVERYTHING


def test_a_record_crosses_processes_as_plain_values() -> None:
    record = sample.record(benchmark=sample.BENCHMARK)
    plain = json.loads(json.dumps(to_json(record)))
    assert carried([("another", 1), ("conformance", plain)]) == record
    assert carried([("another", 1)]) is None


@pytest.mark.parametrize(
    ("change", "text"),
    [({"more": 1}, "Record has no more"), ({"entry": {}}, "missing 4 required .* 'kernel'")],
)
def test_what_is_no_record_is_refused_by_name(change: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        from_json(Record, to_json(sample.record()) | change)


def test_every_file_of_tests_has_a_row_of_its_own() -> None:
    files = Path(conformance.__file__).parent.glob("test_*.py")
    assert {path.stem.removeprefix("test_") for path in files} == set(GROUPS)
    assert len(set(ROWS)) == len(ROWS)


def test_a_test_counts_for_the_row_of_its_file() -> None:
    law = sample.record(group="memory", features=()).entry
    assert [row for row in ROWS if is_about(law, row)] == ["laws of memory", "all"]


def test_the_page_loads_nothing_and_is_well_formed(html: str) -> None:
    read = Reader(html)
    assert (read.loads, read.open) == ([], [])
    assert not re.search(r"@import|url\((?!#)", html)


def test_no_two_parts_of_the_page_have_one_id(html: str) -> None:
    ids = Reader(html).ids
    assert len(ids) == len(set(ids))


SHOWN = {
    "the verdict": "FlashAttention conformance: failed",
    "the counts": "4 passed 1 declined 1 failed",
    "a failure's text": "out: 3 of 9 elements are beyond the bound",
    "what it is likely to be": "likely: acc is not rescaled",
    "which known faults its case catches": "accumulator-not-rescaled : acc keeps weights",
    "its command": "pytest this --kernel that",
    "why tests were declined": "fp32",
    "why statistics were not computed": "1 rows of q repeat",
    "what is suspicious": "largest error is 9 sigma (limit 8)",
    "a standard": "Ecosystem standard, version A (MERE / MARE)",
    "its largest figure": "MERE 0.0001 MARE inf",
    "where it differs from the bound": "6 rejected, within the bound",
    "a benchmark": "llama-13b-512 forward, causal mine[here] cpu 8 0.012 s",
    "that a model is none": "Model, not measurement",
    "the dropout picture": "drops",
    "the environment": "x86_64",
    "which code ran": "code abc",
}


@pytest.mark.parametrize("what", SHOWN)
def test_the_page_says(html: str, what: str) -> None:
    text = " ".join(" ".join(Reader(html).text).split())
    assert SHOWN[what] in text


def test_text_of_a_kernel_is_text_and_no_markup() -> None:
    evil = '<script>alert(1)</script> & "quotes"'
    html = page(sample.report(sample.record(evil, "failed", failed=evil, command=evil)))
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert(1)") >= 3


def test_the_table_shows_where_a_kernel_ran() -> None:
    run = SimpleNamespace(kernels=[SimpleNamespace(name="mine[here]")])
    assert "mine[here]" in table(run, [sample.record().entry], width=80)


@pytest.mark.parametrize("outcome", ["passed", "declined", "failed"])
def test_a_run_has_passed_if_something_passed_and_nothing_failed(outcome: str) -> None:
    html = page(sample.report(sample.record(outcome=outcome)))
    assert f'conformance: <span class="{"passed" if outcome == "passed" else "failed"}"' in html


def test_a_run_that_was_interrupted_has_not_passed() -> None:
    html = page(sample.report(sample.record(), complete=False))
    assert 'conformance: <span class="interrupted"' in html


def test_a_kernel_that_declines_everything_has_not_failed() -> None:
    html = page(sample.report(sample.record(outcome="declined")))
    assert '<div class="card declined">' in html


@pytest.mark.parametrize("name", ["a$b_$c", "_hidden", "<b>", "two words"])
def test_a_kernel_may_have_any_name(name: str) -> None:
    records = [sample.record(kernel=name), sample.record(kernel=name, benchmark=sample.BENCHMARK)]
    (kernel,) = sample.report().kernels
    report = sample.report(*records, kernels=(replace(kernel, name=name),))
    assert page(report).count(escape(name)) > 4


def test_a_law_alone_has_no_lengths_and_no_errors() -> None:
    law = sample.record("fp16", group="laws", test="test_law", features=(), tensors=())
    html = page(sample.report(law))
    assert 'id="features"' in html
    assert 'id="lengths"' not in html


def test_the_smoke_tier_has_too_few_lengths_for_a_picture() -> None:
    html = {tier: page(sample.report(sample.record(), tier=tier)) for tier in ("smoke", "default")}
    assert {tier: 'id="lengths"' in text for tier, text in html.items()} == {
        "smoke": False,
        "default": True,
    }


def test_a_large_run_is_a_small_page() -> None:
    many = [sample.record(f"case-{at}", seqlen_k=at) for at in range(1, 1001)]
    assert len(page(sample.report(*many)).encode()) < 2e6


def test_both_files_are_written_and_dropout_pictures_are_taken_in(tmp_path: Path) -> None:
    (tmp_path / "dropout").mkdir()
    (tmp_path / "dropout" / "rate.svg").write_text("<svg><text>rate of rows</text></svg>")
    (tmp_path / "dropout" / "old.svg").write_text("<svg><text>of another run</text></svg>")
    report = replace(sample.EVERYTHING, pictures=("dropout/rate.svg",))
    write(tmp_path, report)
    assert from_json(Report, json.loads((tmp_path / "report.json").read_text())) == report
    html = (tmp_path / "report.html").read_text()
    assert "rate of rows" in html
    assert "of another run" not in html
    write_page(tmp_path, sample.report(sample.record()))
    assert 'conformance: <span class="passed"' in (tmp_path / "report.html").read_text()


def test_an_inlined_picture_has_its_own_ids_and_the_pages_ink() -> None:
    svg = (
        '<?xml v?><svg height="3pt" width="4pt"><path id="a" fill="#010203"/><use href="#a"/></svg>'
    )
    inside = '<svg><path id="m-a" fill="currentColor"/><use href="#m-a"/></svg>'
    assert inlined(svg, mark="m-") == inside


def score(
    error: object, *, name: str = "out", allowed: float = 1.0, sigma: float = 1.0
) -> TensorVerdict:
    errors = np.asarray(error, np.float64)
    compared = Compared(
        format=FP32,
        got=errors,
        want=np.zeros_like(errors),
        error=errors,
        ratio=np.abs(errors) / allowed,
        sigma=np.full_like(errors, sigma),
    )
    return TensorVerdict(name=name, elements=errors.size, compared=compared)


@pytest.mark.parametrize(
    ("size", "place"),
    [
        *((0.0, 0), (2.0**-40, 0), (0.5, -LEAST), (0.99, -LEAST), (1.0, 1 - LEAST)),
        *((3.0, 2 - LEAST), (1e9, MOST - LEAST), (np.inf, MOST - LEAST)),
    ],
)
def test_a_size_counts_between_its_powers_of_two(size: float, place: int) -> None:
    counts = spread_of(score([[size]]))
    there = tuple(int(at == place) for at in range(MOST - LEAST + 1))
    assert counts == Spread(ratio=there, z=there)


def test_errors_are_counted_in_sigmas_too() -> None:
    counts = spread_of(score([[0.6]], allowed=1.0, sigma=0.1))
    assert (counts.ratio[-LEAST], counts.z[3 - LEAST]) == (1, 1)


def test_an_error_in_any_head_is_on_the_map() -> None:
    error = np.zeros((2, 100, 20, 8))
    error[1, 70, 19, 3] = 5.0
    shown = map_of(score(error))
    assert (shown.head_tile, np.max(shown.heads), np.max(shown.columns)) == (2, 5.0, 5.0)


SHAPES = {
    "out": (2, 100, 3, 40),
    "dk": (200, 6, 40),
    "lse": (2, 3, 100),
    "softmax_max, softmax_sum": (3, 200),
    "dbias": (100, 40),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_map_shows_the_largest_where_it_is(name: str) -> None:
    error = np.zeros(SHAPES[name])
    error[(-1,) * error.ndim] = 3.0
    shown = map_of(score(error, name=name))
    for map in (shown.heads, shown.columns):
        assert (map[-1][-1], np.max(map[:-1], initial=0), np.max(map[-1][:-1])) == (3.0, 0, 0)
        assert max(len(map), len(map[0])) <= 50


def test_what_has_no_rows_has_no_map() -> None:
    assert map_of(score([1.0], name="dsink")) is None
    assert map_of(score(np.zeros((2, 0, 3, 4)))) is None
    assert map_of(TensorVerdict(name="out")) is None


@pytest.mark.parametrize(("ratio", "shown"), [(0.12345, 0.123), (1.0, 1.0), (1.0001, 1.01)])
def test_what_is_beyond_the_bound_is_beyond_it_on_a_map(ratio: float, shown: float) -> None:
    error = np.full((1, 1, 1, 1), ratio)
    assert map_of(score(error)).heads == ((shown,),)


def test_a_maps_colours_change_at_the_bound() -> None:
    norm = BoundaryNorm(EDGES, SHARES.N, extend="both")
    within, beyond = (SHARES(norm(ratio)) for ratio in (1.0, 1.01))
    assert within[2] > within[0] and beyond[0] > beyond[2]  # (red, green, blue, opacity)
