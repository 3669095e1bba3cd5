"""Each law about dropout rejects a kernel that breaks it, with a sentence that names the fault."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

import faults.host_kernel as host
from conformance import test_dropout as laws
from conformance.dropout.recovery import mean
from conformance.dropout.recovery.probes import SHAPES, asking, stream
from conformance.dropout.recovery.recover import Broken, masks_of_kernel
from conformance.dropout.statistics.battery import battery
from conformance.kernel import BadAnswer, LoadedKernel
from conformance.laws.assertions import make_problem
from conformance.run.recording import words
from conformance.verdict.ask import ask as judged
from conformance.verdict.expected import Expected
from faults import MUTANTS
from faults.host_kernel import F32, Host
from faults.misreading import takes_head
from faults.test_laws_silent import SILENT
from reference.contract import Contract
from reference.formats import BF16, FP16
from reference.problem import Unsupported

BACKWARD = laws.test_the_backward_drops_what_the_forward_dropped
DECLARED = laws.test_the_mask_is_the_declared_one
SCALE = laws.test_kept_weights_are_multiplied_by_1_over_1_minus_p_and_dropped_ones_by_0
ROUNDED = laws.test_the_scale_is_that_of_p_itself_not_of_a_rounded_p
ROW_SUM = laws.test_the_row_sum_knows_nothing_of_dropout
ORACLE = laws.test_the_answer_is_the_oracles_with_the_recovered_mask
SAME = laws.test_the_same_seed_and_offset_draw_the_same_mask
ANOTHER = laws.test_another_seed_or_offset_draws_another_mask
HEADS = laws.test_no_two_heads_or_sequences_drop_alike
ELSE = laws.test_the_mask_does_not_depend_on_what_else_is_asked
LATER = laws.test_the_mask_does_not_depend_on_later_sequences
BITS = laws.test_packed_bits_are_the_mask


def loaded(function, kind="problem"):
    """A kernel whose contract says whose decisions it drops by."""

    def kernel(problem):
        return function(problem)

    kernel.contract = Contract(dropout=kind)
    return LoadedKernel(spec="tests", name="tests", function=kernel)


def ask(law, kernel, **options):
    """Put one law of the suite to a kernel."""
    given = {
        "kernel": kernel,
        "drops": asking(kernel, seed=0),
        "format": "bf16",
        "strict": False,
        **options,
    }
    law(**{name: given[name] for name in inspect.signature(law).parameters})


def drop_in_tile(tile):
    """Dropout whose element numbers begin anew in each tile."""
    rows, keys = range(len(tile.rows)), range(len(tile.keys))
    return host.drop(replace(tile, rows=rows, keys=keys))


def wider_tile(problem):
    """A kernel that begins anew in each tile, and whose tile depends on head_dim."""
    return Host(block_k=problem.head_dim // 2, drop=drop_in_tile)(problem)


def fewer_channels(problem):
    """A kernel that draws another mask where gradients are asked for."""
    moved = problem.dropout.offset + (problem.dout is None)
    return Host()(problem.replace(dropout=replace(problem.dropout, offset=moved)))


def from_the_end():
    """A kernel that counts elements from the last sequence on."""

    def change(head, problem):
        first = problem.heads_q * int(np.dot(problem.seqlens_q, problem.seqlens_k))
        return replace(head, dropout=replace(head.dropout, first=first - head.dropout.first))

    return takes_head(change)


def leaves_a_little(tile):
    """Dropout that multiplies by 1e-6 what it should drop."""
    return np.maximum(host.drop(tile), F32(1e-6))


def scale_of_bf16(tile):
    """Dropout that scales by 1 / (1 - p) in bf16, and drops by p itself."""
    p = float(BF16.round(np.asarray(tile.head.dropout.dropout.p)))
    return (host.drop(tile) > 0) * F32(1 / (1 - p))


def never_the_same():
    """A kernel that draws anew at every call, whatever its seed."""
    calls = count()
    return lambda problem: Host()(
        problem.replace(dropout=replace(problem.dropout, offset=next(calls)))
    )


LOCAL = {
    "tile": lambda: wider_tile,
    "gradients": lambda: fewer_channels,
    "from-the-end": from_the_end,
    "leaves-a-little": lambda: Host(drop=leaves_a_little),
    "scale-of-bf16": lambda: Host(drop=scale_of_bf16),
    "never-the-same": never_the_same,
}

ODD, CAUSAL, PACKED = ({"shape": SHAPES[name]} for name in ("odd", "causal", "packed"))
OFFSET = {"other": "another offset"}
CAUGHT = [
    (
        "dropout-differs-in-backward",
        BACKWARD,
        ODD,
        "by dv, .* is the declared one at its offset",
    ),
    ("dropout-p-off", DECLARED, ODD, "the mask is not the declared one: .* decisions differ"),
    ("dropout-p-of-8-bits", DECLARED, ODD, "p rounded to 8 bits or 1 - p .*0.3515625 for 0.35"),
    ("dropout-p-in-bf16", DECLARED, PACKED, "1 - p rounded to bf16 .0.3515625 for"),
    ("dropout-repeats-per-head", DECLARED, ODD, "the first head's decisions in every head"),
    ("dropout-repeats-per-head", HEADS, {}, "head 1 of sequence 0 has the mask of head 0"),
    ("dropout-repeats-per-tile", DECLARED, ODD, "begun anew in each tile of 32 x 32"),
    ("dropout-row-padded", DECLARED, ODD, "rows padded to a multiple of 16"),
    ("dropout-offset-ignored", ANOTHER, OFFSET, "another offset has the mask of the first one"),
    ("dropout-restarts-after-4096", DECLARED, ODD, "begun anew after every 4096 elements"),
    ("dropout-lcg-of-16-bits", DECLARED, ODD, "as unrelated masks are"),
    ("dropout-lcg-of-16-bits", ANOTHER, OFFSET, "another offset has the mask of the first one"),
    ("dropout-transposed", DECLARED, PACKED, "transposed"),
    ("dropout-stream-from-the-top", DECLARED, ODD, "bits of each byte from the most significant"),
    ("dropout-offset-too-little", ANOTHER, OFFSET, "moved along by -?4 elements: streams overlap"),
    ("dropout-scaled-by-1-minus-p", SCALE, ODD, "multiplied by 1 - p, where 1 / .1 - p. belongs"),
    ("dropout-unscaled", SCALE, CAUSAL, "they are not scaled"),
    ("dropout-before-sum", SCALE, CAUSAL, "the row sum includes dropout"),
    ("dropout-before-sum", ROW_SUM, CAUSAL, "the row sum includes dropout: lse at"),
    ("dropout-missing-in-dp", ORACLE, ODD, "dq: .* are beyond the bound"),
    ("scale-of-bf16", ROUNDED, {}, "p rounded to 8 bits or p rounded to bf16 .0.98828125"),
    ("leaves-a-little", SCALE, CAUSAL, "dropped weights are not 0: by out, .*up to 1e-06"),
    ("never-the-same", SAME, {}, "the same seed and offset draw two masks"),
    ("tile", ELSE, {"what": "head_dim, and so on the tile"}, "depends on head_dim"),
    ("gradients", ELSE, {"what": "whether gradients are asked for"}, "depends on whether gradient"),
    ("from-the-end", LATER, {"name": "packed"}, "depends on later sequences"),
    ("dropout-bits-from-the-top", BITS, {"name": "odd", "padded": True}, "most significant one"),
]
"""Broken kernel, law, what it is asked with, and words of the sentence."""

each = pytest.mark.parametrize(
    ("broken", "law", "options", "words"),
    CAUGHT,
    ids=[f"{one[0]}-{one[1].__name__[5:30]}" for one in CAUGHT],
)


@each
def test_a_law_names_the_fault(broken, law, options, words):
    make = LOCAL.get(broken) or MUTANTS[broken]
    with pytest.raises(Broken) as caught:
        ask(law, loaded(make()), **options)
    assert re.search(words, str(caught.value)), str(caught.value)


HONEST = loaded(Host())


STATED = {f"{one[1].__name__}-{one[2]}": one[1:3] for one in CAUGHT}


@pytest.mark.parametrize(("law", "options"), STATED.values(), ids=range(len(STATED)))
def test_a_law_holds_for_an_honest_kernel(law, options):
    ask(law, HONEST, **options)


@pytest.mark.parametrize("silent", SILENT)
@pytest.mark.parametrize(("law", "options"), STATED.values(), ids=range(len(STATED)))
def test_a_law_rejects_a_kernel_that_answers_nothing(law, options, silent):
    kernel = loaded(SILENT[silent]())
    if silent == "no-gradients" and law is BITS:  # its problem asks for no gradients
        ask(law, kernel, **options)
        return
    with pytest.raises((Broken, BadAnswer)):
        ask(law, kernel, **options)


MEANS = {
    "dropout-unscaled": "out over 128 masks is 0.6.* times .* as if kept weights were not scaled",
    "dropout-scaled-by-1-minus-p": "as if kept weights were multiplied by 1 - p",
    "dropout-ignored": "out varies over 128 masks .*e-06 times as much",
    "dropout-missing-in-dp": "dq varies over 128 masks",
}


@pytest.mark.parametrize(("broken", "words"), MEANS.items(), ids=MEANS)
def test_the_mean_answer_names_the_fault_without_a_mask(broken, words):
    options = mean.make_problem(FP16, stream(0), backward=True)
    with pytest.raises(Broken, match=words):
        mean.require_no_effect(loaded(MUTANTS[broken](), "own"), options)


STATISTICS = {
    "dropout-p-of-8-bits": "p is quantised to 8 bits",
    "dropout-lcg-of-16-bits": "",
    "dropout-offset-too-little": "the offset is advanced too little",
}


@pytest.mark.parametrize(("broken", "words"), STATISTICS.items(), ids=STATISTICS)
def test_statistics_name_the_fault_of_a_generator_of_its_own(broken, words):
    kernel = loaded(replace(MUTANTS[broken](), block_q=256, block_k=128), "own")
    findings = battery(masks_of_kernel(kernel, p=0.1, calls=2))
    assert not findings.passes
    assert words in findings.likely


def drawing_anew():
    """A kernel that cannot be seeded."""
    return loaded(never_the_same(), "unseeded")


def test_what_one_call_shows_is_asked_of_a_kernel_that_cannot_be_seeded():
    for law in (BACKWARD, SCALE, ROW_SUM):
        ask(law, drawing_anew(), shape=SHAPES["one-call"])


@pytest.mark.parametrize(
    ("law", "options"), [(BACKWARD, ODD), (ORACLE, {"shape": SHAPES["one-call"]}), (SAME, {})]
)
def test_what_takes_several_calls_is_declined_for_it(law, options):
    with pytest.raises(Unsupported, match="not testable: its generator cannot be seeded"):
        ask(law, drawing_anew(), **options)


@pytest.mark.parametrize("kind", ["own", "unseeded"])
def test_the_cases_decline_dropout_that_the_oracle_cannot_know(kind):
    dropped = Expected(problem=make_problem("fp16", dropout=stream(0)))
    with pytest.raises(Unsupported) as declined:
        judged(loaded(Host(), kind), dropped)
    assert words(str(declined.value)) == ["dropout"] and repr(kind) in str(declined.value)
    assert judged(loaded(Host(), kind), Expected(problem=make_problem("fp16"))).passes()


def test_every_law_is_shown_to_catch_something():
    stated = {law for name, law in vars(laws).items() if name.startswith("test_")}
    left = {
        laws.test_no_statistic_rejects_its_masks,
        laws.test_the_mean_answer_is_the_one_without_dropout,
    }
    assert stated - {law for _, law, _, _ in CAUGHT} == left
