"""The committed set: what it must reach, and how large it may be. Its numbers: tox -e golden."""

from __future__ import annotations

import json

import jsonschema
import pytest

from conformance.cases import all_cases
from conformance.cases.golden import CASES
from conformance.golden import manifest
from conformance.golden.manifest import RECORDS, VECTORS
from conformance.golden.sets import FOLDER
from conformance.golden.vector import content_of
from conformance.problem_file import load
from reference.formats import FORMATS
from reference.problem.features import FEATURES

MANIFEST = manifest.read(FOLDER)
ENTRIES = MANIFEST.entries
MEBIBYTE = 2**20
LENGTHS = (1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 257)


def test_it_has_a_vector_for_each_case_and_format():
    assert set(ENTRIES) == {f"{case.id}-{format}" for case in CASES for format in case.formats}
    assert len(CASES) >= 60


def test_it_is_at_most_24_mebibytes():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 24 * MEBIBYTE


def test_it_asks_every_feature():
    assert {word for entry in ENTRIES.values() for word in entry.about.features} == set(FEATURES)


@pytest.mark.parametrize("side", ["seqlens_q", "seqlens_k"])
def test_it_asks_every_length_about_a_tile(side):
    assert set(LENGTHS) <= {length for case in CASES for length in getattr(case, side)}


def test_all_but_a_handful_have_few_heads_and_channels():
    sizes = {case.id: (case.heads_q, max(case.head_dim, case.head_dim_v or 0)) for case in CASES}
    assert [id for id, (heads, dim) in sizes.items() if heads > 4 or dim > 32 or dim < 4] == [
        "g-real-prefill",
        "g-real-gqa",
        "g-real-decode",
        "g-real-packed",
    ]


def test_its_cases_are_none_of_the_suites():
    ids = {name for case in all_cases() for name in (case.id, case.variant().id)}
    assert ids.isdisjoint(case.id for case in CASES)
    assert len({case.id for case in CASES}) == len(CASES)


def test_the_manifest_is_as_its_schema_says():
    schema = json.loads(manifest.SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads((FOLDER / manifest.NAME).read_text()), schema)


def test_the_manifest_is_written_as_it_is_read():
    assert manifest.text_of(MANIFEST) == (FOLDER / manifest.NAME).read_text()


def test_the_folder_holds_what_the_manifest_names_and_nothing_else():
    named = {entry.file for entry in ENTRIES.values()}
    assert {f"{VECTORS}/{path.name}" for path in (FOLDER / VECTORS).iterdir()} == named
    others = {path.name for path in FOLDER.iterdir()} - {VECTORS, RECORDS, manifest.NAME}
    assert others == {"README.md", ".gitattributes"}


@pytest.mark.parametrize("name", ["g-128x128-bf16", "g-layout-gapped-bf16", "g-packed-fp16"])
def test_a_vector_is_a_problem_that_the_suite_reads(name):
    problem = load(FOLDER / ENTRIES[name].file)
    assert sorted(problem.features) == ENTRIES[name].about.features


def test_every_vector_is_what_the_manifest_says_and_writes_back_the_same_bytes():
    for entry in ENTRIES.values():
        vector = manifest.load(FOLDER, entry)
        assert vector.problem.format == FORMATS[entry.about.format]
        assert content_of(vector) == (FOLDER / entry.file).read_bytes()
