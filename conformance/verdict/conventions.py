"""The oracle's out and lse as a contract says a kernel writes them: base of lse, dead rows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reference.contract import Contract
from reference.formats import Array
from reference.problem import Problem, Result


def per_nat(contract: Contract) -> float:
    """What a natural logarithm is multiplied by."""
    return 1.0 if contract.lse_base == math.e else 1.0 / math.log(contract.lse_base)


def dead_rows(want: Result) -> NDArray[np.bool_]:
    """Rows of the oracle's answer that see no key and no sink: like lse, bool."""
    assert want.lse is not None
    return np.isneginf(want.lse)


def rows_of_out(rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A choice of rows, like lse, as one that broadcasts against out."""
    return np.moveaxis(rows, -2, -1)[..., None]  # lse is (heads, rows), out (rows, heads, ...)


def written(want: Result, contract: Contract) -> Result:
    """The oracle's answer with lse in the contract's base and its values in dead rows."""
    assert want.out is not None and want.lse is not None
    dead = dead_rows(want)
    out, lse = contract.dead_rows
    return replace(
        want,
        out=np.where(rows_of_out(dead), out, want.out),
        lse=np.where(dead, lse, want.lse * per_nat(contract)),
    )


def statistics(problem: Problem, want: Result, contract: Contract) -> tuple[Array, Array]:
    """The oracle's out and lse as the kernel's forward would have stored them."""
    stored, terms = written(want, contract), contract.resolve(problem.format)
    assert stored.out is not None and stored.lse is not None
    rounding = contract.rounding
    return (
        terms.out.round(stored.out, rounding=rounding),
        terms.compute.round(stored.lse, rounding=rounding),
    )
