"""Golden vectors catch what they say: by their answers and bounds the judge rejects each fault."""

from __future__ import annotations

import pytest

from conformance.cases.faults import FAULTS
from conformance.golden import manifest, stored
from conformance.golden.manifest import Entry
from conformance.golden.sets import FOLDER
from conformance.golden.verify import expected_of, judged
from conformance.verdict.verdict import Verdict
from faults import MUTANTS
from faults.host_kernel import Host

WHOLE = "whole"  # stands for the kernel that has no fault
ENTRIES = list(manifest.read(FOLDER).entries.values())
CLAIMS = [
    pytest.param(entry, fault, id=f"{entry.key}-{fault}")
    for entry in ENTRIES
    if entry.about.catches
    for fault in (WHOLE, *entry.about.catches)
    if fault == WHOLE or entry.about.format in FAULTS[fault].formats
]


def verdict(entry: Entry, fault: str) -> Verdict:
    vector = stored.load(FOLDER, entry)
    expected = expected_of(vector, forward=False)
    kernel = Host() if fault == WHOLE else MUTANTS[fault]()
    return judged(vector, expected, kernel(expected.problem))


@pytest.mark.parametrize(("entry", "fault"), CLAIMS)
def test_a_vector_rejects_what_it_catches_and_accepts_the_whole_kernel(entry, fault):
    assert verdict(entry, fault).passes() == (fault == WHOLE)


def test_vectors_claim_faults_of_the_catalogue_once():
    claims = [entry.about.catches for entry in ENTRIES]
    assert all(
        set(faults) <= FAULTS.keys() and len(set(faults)) == len(faults) for faults in claims
    )
