"""Each law about dropout rejects a kernel that breaks it, with a sentence that names the fault."""

from __future__ import annotations

import re
from dataclasses import replace

import host_kernel as host
import numpy as np
import pytest
from host_kernel import F32, Host
from mutants import MUTANTS
from mutants_dropout import asks, draws

from conformance import test_dropout as laws
from conformance.dropout import effect
from conformance.dropout.black_box import SHAPES, asking, stream
from conformance.dropout.recover import Broken
from conformance.kernel import Subject
from reference.contract import Contract
from reference.formats import FORMATS
from reference.problem import Result, Unsupported

ODD, CAUSAL, PACKED, ONE = (SHAPES[name] for name in ("odd", "causal", "packed", "one-call"))


def subject(function, kind="problem"):
    def kernel(problem):
        return function(problem)

    kernel.contract = Contract(dropout=kind)
    return Subject(spec="tests", name="tests", function=kernel)


def holds(law, function, *asked, kind="problem"):
    """Put one law of the suite to a kernel."""
    kernel = subject(function, kind)
    given = {"kernel": kernel, "drops": asking(kernel, seed=0), "format": "bf16"}
    names = law.__code__.co_varnames[: law.__code__.co_argcount]
    rest = [name for name in names if name not in given]
    law(
        **{name: given[name] for name in names if name in given},
        **dict(zip(rest, asked, strict=True)),
    )


DECLARED, BACKWARD = (
    laws.test_the_mask_is_the_declared_one,
    laws.test_the_backward_drops_what_the_forward_dropped,
)
SCALE = laws.test_kept_weights_are_multiplied_by_1_over_1_minus_p_and_dropped_ones_by_0
ROUNDED = laws.test_the_scale_is_that_of_p_itself_not_of_a_rounded_p

CAUGHT = {
    "dropout-differs-in-backward": (
        BACKWARD,
        (ODD,),
        "problem",
        "by dv, .*the declared one at the offset with its lowest bit changed",
    ),
    "dropout-p-of-8-bits": (DECLARED, (ODD,), "problem", "p rounded to 8 bits .0.30078125 for 0.3"),
}


@pytest.mark.parametrize(("law", "asked", "kind", "words"), CAUGHT.values(), ids=CAUGHT)
def test_a_law_names_the_fault(law, asked, kind, words, request):
    with pytest.raises(Broken) as caught:
        holds(law, MUTANTS[request.node.callspec.id](), *asked, kind=kind)
    assert re.search(words, str(caught.value)), str(caught.value)
