"""Each law rejects a kernel that breaks it: a law that cannot fail is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from conformance import test_laws as laws
from conformance import test_memory as memory
from conformance.kernel import InputChanged, LoadedKernel
from conformance.laws.assertions import CAUSAL, PROBLEMS
from faults.host_kernel import Host
from reference.contract import Contract
from reference.formats import Array
from reference.mask import Mask
from reference.problem import Problem, Result, Unsupported

HONEST = Host()
BROKEN = pytest.fail.Exception
Ask = Callable[[Problem], Problem]


def asks(change: Ask) -> Callable[[], Callable]:
    """A kernel that answers another question than the one it is asked."""
    return lambda: lambda problem: HONEST(change(problem))


def says(change: Callable[[Problem, Result], dict[str, Any]]) -> Callable[[], Callable]:
    """A kernel that gives other tensors than those it found."""

    def kernel(problem: Problem) -> Result:
        result = HONEST(problem)
        return replace(result, **change(problem, result))

    return lambda: kernel


def remembers(change: Callable[[Problem, Problem], Problem]) -> Callable[[], Callable]:
    """A kernel that takes something of its first problem for that of every later one."""

    def make() -> Callable:
        first: list[Problem] = []

        def kernel(problem: Problem) -> Result:
            first.append(problem)
            return HONEST(change(first[0], problem))

        return kernel

    return make


def grows() -> Callable:
    """A kernel whose out grows by a unit in the last place with each call."""
    calls: list[Problem] = []

    def kernel(problem: Problem) -> Result:
        calls.append(problem)
        result = HONEST(problem)
        return replace(result, out=result.out * (1 + len(calls) * 2.0**-20))

    return kernel


def writes() -> Callable:
    """A kernel that scales q in place."""

    def kernel(problem: Problem) -> Result:
        result = HONEST(problem)
        np.multiply(problem.q, 2, out=problem.q)
        return result

    return kernel


def as_if_contiguous(problem: Problem) -> Problem:
    def read(array: Array) -> Array:
        steps = np.empty(array.shape, array.dtype).strides
        return np.lib.stride_tricks.as_strided(array, array.shape, steps).copy()

    names = ("q", "k", "v", "dout")
    return problem.replace(**{name: read(getattr(problem, name)) for name in names}, poisoned=True)


def one_sequence(problem: Problem) -> Problem:
    if not problem.is_packed:
        return problem
    ends = {f"cu_seqlens_{side}": np.array([0, len(getattr(problem, side))]) for side in "qk"}
    return problem.replace(**ends)


def counted(problem: Problem, axis: int) -> Array:
    """1, and a little more for each later sequence (axis 0) or head (axis 2)."""
    steps = np.arange(problem.q.shape[axis]) * 2.0**-16
    return 1 + steps.reshape([-1 if at == axis else 1 for at in range(4)])


def wider(problem: Problem) -> Problem:
    if problem.mask.keep is not None:
        return problem
    return problem.replace(mask=replace(problem.mask, window=(None, 1)))


def only_with_groups(problem: Problem) -> Problem:
    return problem.replace(q=np.roll(problem.q, 1, axis=-2)) if problem.group > 1 else problem


def shift_of(first: Problem, problem: Problem) -> Problem:
    moved = first.max_seqlen_q - problem.max_seqlen_q
    return problem.replace(mask=Mask(window=(None, moved)))


def layout_of(first: Problem, problem: Problem) -> Problem:
    return as_if_contiguous(problem) if first.q.flags.c_contiguous else problem


def leaks(problem: Problem, result: Result) -> dict[str, Array]:
    return {"out": result.out + 0 * problem.q.sum()}


PLAIN, GQA = PROBLEMS["plain"], PROBLEMS["causal-gqa"]
SIBLINGS = {
    name: dict(zip(("change", "here", "there", "factor"), sibling, strict=True))
    for name, sibling in memory.SIBLINGS.items()
}
LAW = "test_nothing_is_remembered_from_one_call_to_the_next"

CAUGHT: dict[str, tuple[Callable[..., None], dict[str, Any], Callable[[], Callable]]] = {
    "order-of-sequences": (
        laws.test_the_order_of_sequences_does_not_matter,
        {"options": PLAIN},
        says(lambda problem, result: {"out": result.out * counted(problem, 0)}),
    ),
    "order-of-heads": (
        laws.test_the_order_of_heads_does_not_matter,
        {"options": GQA},
        says(lambda problem, result: {"out": result.out * counted(problem, 2)}),
    ),
    "order-of-keys": (
        laws.test_the_order_of_keys_does_not_matter,
        {"name": "plain"},
        asks(lambda problem: problem.replace(slopes=np.float32([0.01, 0.02]))),
    ),
    "other-sequences": (
        laws.test_what_other_sequences_hold_changes_no_bit,
        {"options": PLAIN},
        asks(lambda problem: problem.replace(k=problem.k[:1] + 0 * problem.k)),
    ),
    "sequence-alone": (
        laws.test_a_sequence_alone_has_the_answer_that_it_has_in_a_batch,
        {"options": PLAIN},
        asks(lambda problem: problem.replace(scale=problem.scale / problem.batch)),
    ),
    "constant-to-keys": (
        laws.test_a_constant_added_to_every_key_moves_lse_and_nothing_else,
        {"options": PLAIN},
        asks(lambda problem: problem.replace(softcap=5.0)),
    ),
    "affine-in-v": (
        laws.test_the_answer_is_affine_in_v,
        {"options": PLAIN},
        asks(lambda problem: problem.replace(v=problem.v.clip(-3, 3))),
    ),
    "causal-prefix": (
        laws.test_later_keys_and_queries_change_nothing_under_a_causal_mask,
        {"length": 31},
        asks(lambda problem: problem.replace(mask=Mask())),
    ),
    "mask-as-keep": (
        laws.test_a_mask_and_the_keep_array_that_says_the_same_are_one,
        {"mask": CAUSAL, "seqlen_k": 65},
        asks(wider),
    ),
    "shared-key-head": (
        laws.test_a_shared_key_head_and_its_copies_are_one,
        {"heads_q": 6, "heads_k": 2},
        asks(only_with_groups),
    ),
    "packed-as-alone": (
        laws.test_packed_sequences_have_the_answers_that_they_have_alone,
        {"mask": Mask()},
        asks(one_sequence),
    ),
    "merge-by-lse": (
        laws.test_two_sets_of_keys_merge_by_their_lse,
        {"split": 64},
        says(lambda problem, result: {"lse": result.lse / np.float32(np.log(2))}),
    ),
    "dout-scaled": (
        laws.test_gradients_scale_with_dout,
        {"options": PLAIN},
        says(lambda problem, result: {"dq": result.dq.clip(-0.25, 0.25)}),
    ),
    "dout-summed": (
        laws.test_gradients_of_a_sum_are_the_sum_of_gradients,
        {"options": PLAIN},
        says(lambda problem, result: {"dq": abs(result.dq)}),
    ),
    "asked-twice": (
        memory.test_the_same_question_twice_has_the_same_answer,
        {"options": PLAIN},
        lambda: grows(),
    ),
    "inputs-kept": (
        memory.test_inputs_are_as_they_were_after_the_call,
        {},
        lambda: writes(),
    ),
    "scale-remembered": (
        getattr(memory, LAW),
        SIBLINGS["another-scale"],
        remembers(lambda first, problem: problem.replace(scale=first.scale)),
    ),
    "mask-remembered": (
        getattr(memory, LAW),
        SIBLINGS["another-mask"],
        remembers(lambda first, problem: problem.replace(mask=first.mask)),
    ),
    "shape-remembered": (getattr(memory, LAW), SIBLINGS["another-shape"], remembers(shift_of)),
    "layout-remembered": (getattr(memory, LAW), SIBLINGS["another-layout"], remembers(layout_of)),
    "packed-neighbours": (
        memory.test_nan_in_packed_neighbours_changes_no_bit,
        {"sequence": 3},
        says(leaks),
    ),
} | {
    f"layout-{layout}": (
        memory.test_strides_and_nan_in_the_gaps_change_nothing,
        {"layout": layout},
        asks(as_if_contiguous),
    )
    for layout in ("bnsd", "gapped", "every-other", "qkv")
}
"""For each law: what it is asked with, and a kernel that breaks it."""

every_law = pytest.mark.parametrize(("law", "options", "broken"), CAUGHT.values(), ids=CAUGHT)


def loaded(function: Callable) -> LoadedKernel:
    return LoadedKernel(spec="broken", name="broken", function=function)


@every_law
def test_a_law_holds_for_an_honest_kernel(law, options, broken):
    law(loaded(HONEST), "fp32", **options)


@every_law
def test_a_law_rejects_a_kernel_that_breaks_it(law, options, broken):
    with pytest.raises((BROKEN, InputChanged)):
        law(loaded(broken()), "fp32", **options)


def promising(function: Callable[[Problem], Result]) -> LoadedKernel:
    def kernel(problem: Problem) -> Result:
        return function(problem)

    kernel.contract = Contract(ignores_masked_nan=True)
    return loaded(kernel)


def without_nan(problem: Problem) -> Result:
    k, v = (np.nan_to_num(tensor) for tensor in (problem.k, problem.v))
    return HONEST(problem.replace(k=k, v=v))


def test_a_kernel_that_promises_to_ignore_hidden_nan_is_held_to_it():
    law, mask = memory.test_nan_in_keys_that_no_query_sees_changes_no_bit, memory.UNSEEN["keep"]
    law(promising(without_nan), "fp32", mask=mask)
    with pytest.raises(BROKEN):
        law(promising(HONEST), "fp32", mask=mask)
    with pytest.raises(Unsupported, match="does not promise"):
        law(loaded(HONEST), "fp32", mask=mask)


def test_every_law_is_shown_to_catch_something():
    stated = {
        law
        for module in (laws, memory)
        for name, law in vars(module).items()
        if name.startswith("test_")
    }
    caught = {law for law, _, _ in CAUGHT.values()}
    assert stated - caught == {memory.test_nan_in_keys_that_no_query_sees_changes_no_bit}


def in_base_two(problem: Problem) -> Result:
    result = HONEST(problem)
    return replace(result, lse=(result.lse / np.log(2)).astype(np.float32))


in_base_two.contract = Contract(lse_base=2.0)


def forward_only(problem: Problem) -> Result:
    if problem.dout is not None:
        raise Unsupported("backward")
    return HONEST(problem)


@pytest.mark.parametrize("kernel", [in_base_two, forward_only])
def test_the_laws_hold_for_kernels_that_say_what_they_do_otherwise(kernel):
    laws.test_the_order_of_keys_does_not_matter(loaded(kernel), "fp32", "plain")
    laws.test_two_sets_of_keys_merge_by_their_lse(loaded(kernel), "fp32", 64)


def test_laws_about_what_a_kernel_does_not_do_are_declined():
    with pytest.raises(Unsupported):
        laws.test_gradients_scale_with_dout(loaded(forward_only), "fp32", PLAIN)
    without_lse = loaded(lambda problem: replace(HONEST(problem), lse=None))
    with pytest.raises(Unsupported, match="no lse"):
        laws.test_two_sets_of_keys_merge_by_their_lse(without_lse, "fp32", 64)
    laws.test_a_constant_added_to_every_key_moves_lse_and_nothing_else(without_lse, "fp32", PLAIN)
    laws.test_gradients_scale_with_dout(loaded(HONEST), "fp16", PLAIN)
