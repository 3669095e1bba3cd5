"""Golden vectors catch what they say: by their answers and bounds the judge rejects each fault."""

from __future__ import annotations

import pytest

from conformance.cases.faults import BUGS
from conformance.golden import manifest, stored
from conformance.golden.manifest import Entry
from conformance.golden.sets import FOLDER
from conformance.golden.verify import asked, judged
from conformance.verdict.verdict import Verdict
from faults import MUTANTS
from faults.host_kernel import Host

WHOLE = "whole"  # stands for the kernel that has no fault
ENTRIES = list(manifest.read(FOLDER).entries.values())
CLAIMS = [
    pytest.param(entry, bug, id=f"{entry.key}-{bug}")
    for entry in ENTRIES
    if entry.about.catches
    for bug in (WHOLE, *entry.about.catches)
    if bug == WHOLE or entry.about.format in BUGS[bug].formats
]


def verdict(entry: Entry, bug: str) -> Verdict:
    vector = stored.load(FOLDER, entry)
    question = asked(vector, forward=False)
    kernel = Host() if bug == WHOLE else MUTANTS[bug]()
    return judged(vector, question, kernel(question.problem))


@pytest.mark.parametrize(("entry", "bug"), CLAIMS)
def test_a_vector_rejects_what_it_catches_and_accepts_the_whole_kernel(entry, bug):
    assert verdict(entry, bug).passes() == (bug == WHOLE)


def test_vectors_claim_faults_of_the_catalogue_once():
    claims = [entry.about.catches for entry in ENTRIES]
    assert all(set(bugs) <= BUGS.keys() and len(set(bugs)) == len(bugs) for bugs in claims)
