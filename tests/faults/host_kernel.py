"""An unbroken FlashAttention in float32 NumPy, in steps of which a mutant replaces one or two.

Keys come in whole tiles, zero-filled past the end, as a device loads them. Scores, softmax and
accumulators are float32; weights, dS and results are rounded to the problem's format, which is
what the default Contract says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference.formats import Array, Format
from reference.problem import Problem, Result
from reference.problem.head import Head

F32 = np.float32
NONE = F32(-np.inf)  # the score of a pair that nobody sees

Step = Callable[..., Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class Tile:
    """Where the kernel stands: rows and keys of one head, the width of a tile, the format."""

    head: Head
    rows: range
    keys: range
    block: int
    format: Format


def tiles(length: int, block: int) -> list[range]:
    """0 ... length in steps of block; the last may be shorter."""
    return [range(start, min(start + block, length)) for start in range(0, length, block)]


def key_tiles(head: Head, rows: range, block: int) -> list[range]:
    """The tiles of keys that some of `rows` may see."""
    return [keys for keys in tiles(head.seqlen_k, block) if head.mask.tile(rows, keys) != "empty"]


def query_tiles(head: Head, keys: range, block: int) -> list[range]:
    """The tiles of rows that may see some of `keys`."""
    return [rows for rows in tiles(head.seqlen_q, block) if head.mask.tile(rows, keys) != "empty"]


def load(tensor: Array, keys: range, block: int) -> Array:
    """A whole tile of keys or values, (block, head_dim): zero where the sequence has ended."""
    whole = np.zeros((block, tensor.shape[1]), F32)
    whole[: len(keys)] = tensor[keys.start : keys.stop]
    return whole


def visible(tile: Tile) -> Array:
    """(rows, block) bool; nothing past the last key is visible."""
    seen = np.zeros((len(tile.rows), tile.block), np.bool_)
    seen[:, : len(tile.keys)] = tile.head.mask.visible(tile.rows, tile.keys)
    return seen


def product(tile: Tile, q: Array, k: Array) -> Array:
    """Scaled scores."""
    return (q @ k.T) * F32(tile.head.scale)


def cap(tile: Tile, s: Array) -> tuple[Array, Array]:
    """Capped scores, and the derivative of the cap."""
    softcap = tile.head.softcap
    if softcap is None:
        return s, np.ones_like(s)
    t = np.tanh(s / F32(softcap))
    return F32(softcap) * t, 1 - t * t


def add_bias(tile: Tile, x: Array) -> Array:
    """Scores plus bias minus ALiBi's distance."""
    head, rows, keys = tile.head, tile.rows, tile.keys
    if head.bias is not None:
        x[:, : len(keys)] += head.bias[rows.start : rows.stop, keys.start : keys.stop]
    if head.slope is not None:
        i, j = np.arange(rows.start, rows.stop)[:, None], keys.start + np.arange(tile.block)
        x = x - F32(head.slope) * np.abs(i + head.shift - j).astype(F32)
    return x


def hide(tile: Tile, x: Array, seen: Array) -> Array:
    """Scores, with NONE where the pair is not visible."""
    return np.where(seen, x, NONE)


def first_max(head: Head) -> float:
    """The running maximum before the first tile."""
    return -np.inf if head.sink is None else head.sink


def raise_max(m: Array, x: Array) -> Array:
    """The running maximum after this tile."""
    return np.maximum(m, x.max(axis=1, keepdims=True))


def weigh(x: Array, m: Array) -> Array:
    """exp(x - m); 0 where nothing is seen yet and m is -inf."""
    return np.exp(x - np.where(m == NONE, F32(0), m))


def drop(tile: Tile) -> Array:
    """What dropout multiplies each weight by, (rows, block)."""
    z = np.ones((len(tile.rows), tile.block), F32)
    if (dropout := tile.head.dropout) is not None:
        z[:, : len(tile.keys)] = dropout.keep(tile.rows, tile.keys) * F32(dropout.scale)
    return z


def add_sum(tile: Tile, total: Array, fade: Array, p: Array, z: Array, m: Array) -> Array:
    """The running sum after this tile; dropout has no part in it."""
    return total * fade + p.sum(axis=1, keepdims=True)


def add_values(tile: Tile, acc: Array, fade: Array, pz: Array, v: Array) -> Array:
    """The accumulator after this tile."""
    return acc * fade + pz @ v


def finish(head: Head, acc: Array, total: Array, m: Array) -> tuple[Array, Array]:
    """Rows of out and lse; a row that saw nothing has total 0."""
    return acc / np.where(total == 0, F32(1), total), (m + np.log(total))[:, 0]


def statistics(rows: range, lse: Array, delta: Array) -> tuple[Array, Array]:
    """Give lse and delta of these rows, as columns."""
    return lse[rows.start : rows.stop, None], delta[rows.start : rows.stop, None]


def delta_of(head: Head, out: Array) -> Array:
    """rowsum(dout * out) - dlse."""
    return (head.dout * out).sum(axis=1, dtype=F32) - (F32(0) if head.dlse is None else head.dlse)


def product_dp(tile: Tile, dout: Array, v: Array) -> Array:
    """Gradient at the dropped weights."""
    return dout @ v.T


def gradient(p: Array, z: Array, dp: Array, delta: Array) -> Array:
    """Gradient at the scores, before the cap's derivative."""
    return p * (z * dp - delta)


def add_rows(dq: Array, rows: range, part: Array) -> None:
    """Rows collect what each tile of keys gives to them."""
    dq[rows.start : rows.stop] += part


def add_group(whole: Array, head: Head, part: Array) -> None:
    """Keys collect what each query head that reads them gives to them."""
    whole[head.at_k] += part


def add_dbias(dbias: Array, tile: Tile, dx: Array) -> None:
    """Bias collects the gradient of every pair that it was added to."""
    into = dbias.reshape((1,) * (4 - dbias.ndim) + dbias.shape)[tile.head.at_bias]
    i, j = (slice(part.start, part.stop) for part in (tile.rows, tile.keys))
    if into.shape[0] == 1:
        i, dx = slice(None), dx.sum(axis=0, keepdims=True)
    if into.shape[1] == 1:
        j, dx = slice(None), dx.sum(axis=1, keepdims=True)
    into[i, j] += dx


def scale_of(head: Head) -> np.float32:
    """What dS k and dS^T q are multiplied by."""
    return F32(head.scale)


def dsink_of(head: Head, lse: Array, delta: Array) -> Array:
    """Gradient of the sink: its weight times -delta, over the rows."""
    return -(np.exp(F32(head.sink) - lse) * delta).sum(dtype=F32)


def store(x: Array, format: Format) -> Array:
    """A result, as it is written to memory."""
    return format.round(x)


def answer(result: Result, problem: Problem) -> Result:
    """The last word."""
    return result


@dataclass(frozen=True, kw_only=True)
class Host:
    """The kernel: its tiles and its steps. Call it with a Problem.

    `backward` holds the steps of the backward pass where they are not those of the forward pass.
    """

    block_q: int = 32
    block_k: int = 32
    heads: Callable[[Problem], Iterable[Head]] = Problem.heads
    key_tiles: Step = key_tiles
    query_tiles: Step = query_tiles
    load_k: Step = load
    load_v: Step = load
    visible: Step = visible
    product: Step = product
    cap: Step = cap
    add_bias: Step = add_bias
    hide: Step = hide
    first_max: Step = first_max
    raise_max: Step = raise_max
    weigh: Step = weigh
    drop: Step = drop
    add_sum: Step = add_sum
    add_values: Step = add_values
    finish: Step = finish
    statistics: Step = statistics
    delta_of: Step = delta_of
    product_dp: Step = product_dp
    gradient: Step = gradient
    scale_of_dq: Step = scale_of
    scale_of_dk: Step = scale_of
    add_rows: Step = add_rows
    add_group: Step = add_group
    add_dbias: Step = add_dbias
    dsink_of: Step = dsink_of
    store: Step = store
    answer: Step = answer
    backward: Host | None = None

    def __call__(self, problem: Problem) -> Result:
        """Answer the problem."""
        with np.errstate(all="ignore"):  # infinities and dead rows are meant
            raw = _zeros(problem)
            for head in self.heads(problem):
                _forward(self, head, problem.format, raw)
            raw["out"] = self.store(raw["out"], problem.format)
            if problem.dout is not None:
                steps = self.backward or self
                for head in steps.heads(problem):
                    _backward(steps, head, problem.format, raw)
            for name in {"dq", "dk", "dv", "dbias"} & raw.keys():
                raw[name] = self.store(raw[name], problem.format)
            return self.answer(Result(**raw), problem)


def _zeros(problem: Problem) -> dict[str, Array]:
    return {name: tensor.astype(F32) for name, tensor in problem.zeros().tensors()}


def _scores(step: Host, tile: Tile, q: Array, k: Array) -> tuple[Array, Array]:
    x, slope = step.cap(tile, step.product(tile, q, k))
    return step.hide(tile, step.add_bias(tile, x), step.visible(tile)), slope


def _forward(step: Host, head: Head, format: Format, raw: dict[str, Array]) -> None:
    for rows in tiles(head.seqlen_q, step.block_q):
        q = head.q[rows.start : rows.stop]
        m = np.full((len(rows), 1), step.first_max(head), F32)
        total = np.full_like(m, 0 if head.sink is None else 1)  # the sink is what m started at
        acc = np.zeros((len(rows), head.v.shape[1]), F32)
        for keys in step.key_tiles(head, rows, step.block_k):
            tile = Tile(head=head, rows=rows, keys=keys, block=step.block_k, format=format)
            k, v = (
                f(x, keys, tile.block) for f, x in ((step.load_k, head.k), (step.load_v, head.v))
            )
            x, _ = _scores(step, tile, q, k)
            m_new = step.raise_max(m, x)
            fade, p, z = step.weigh(m, m_new), step.weigh(x, m_new), step.drop(tile)
            total = step.add_sum(tile, total, fade, p, z, m_new)
            acc = step.add_values(tile, acc, fade, format.round(p * z), v)
            m = m_new
        out, lse = step.finish(head, acc, total, m)
        raw["out"][head.at_q][rows.start : rows.stop] = out
        raw["lse"][head.at_lse][rows.start : rows.stop] = lse


def _backward(step: Host, head: Head, format: Format, raw: dict[str, Array]) -> None:
    lse, delta = raw["lse"][head.at_lse], step.delta_of(head, raw["out"][head.at_q])
    dq = np.zeros(head.q.shape, F32)
    dk, dv = np.zeros(head.k.shape, F32), np.zeros(head.v.shape, F32)
    for keys in tiles(head.seqlen_k, step.block_k):
        k, v = step.load_k(head.k, keys, step.block_k), step.load_v(head.v, keys, step.block_k)
        at = slice(keys.start, keys.stop)
        for rows in step.query_tiles(head, keys, step.block_q):
            tile = Tile(head=head, rows=rows, keys=keys, block=step.block_k, format=format)
            q, dout = (x[rows.start : rows.stop] for x in (head.q, head.dout))
            x, slope = _scores(step, tile, q, k)
            lse_rows, delta_rows = step.statistics(rows, lse, delta)
            p, z = step.weigh(x, lse_rows), step.drop(tile)
            dx = step.gradient(p, z, step.product_dp(tile, dout, v), delta_rows)
            ds = format.round(dx * slope)
            step.add_rows(dq, rows, ds @ k)
            dk[at] += (ds.T @ q)[: len(keys)]
            dv[at] += (format.round(p * z).T @ dout)[: len(keys)]
            if "dbias" in raw:
                step.add_dbias(raw["dbias"], tile, dx[:, : len(keys)])
    raw["dq"][head.at_q] = step.scale_of_dq(head) * dq
    step.add_group(raw["dk"], head, step.scale_of_dk(head) * dk)
    step.add_group(raw["dv"], head, dv)
    if head.sink is not None:
        raw["dsink"][head.head_q] += step.dsink_of(head, lse, delta)


host = Host()
"""The kernel without a fault, for ``--kernel tests/faults/host_kernel.py:host``."""
