"""Input families: what q, k, v and dout hold, the same bits on every machine.

Raw Philox words become dyadic rationals by integer arithmetic, and other numbers by correctly
rounded operations only (+ - * / sqrt); nothing here calls a library's idea of a distribution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from reference.formats import Array, Format

Words = NDArray[np.uint64]
Tensors = dict[str, Array]

_FIELDS = np.uint64(0x0000FFFF0000FFFF)  # two 16-bit fields of a word, each with room for sums
_HALF = np.uint64(0xFFFFFFFF)
_BLOCK = 8192  # numbers at a time, so that their words stay in the cache


@dataclass(frozen=True)
class Stream:
    """Random numbers, one independent stream for each name.

    Attributes
    ----------
    key : str
        What the streams belong to: a seed and a case.
    """

    key: str

    def words(self, name: str, count: int) -> Words:
        """Raw 64-bit words of the Philox4x64-10 stream whose key is a hash of `key` and `name`."""
        return np.asarray(self._generator(name).random_raw(count), np.uint64)

    def uniform(self, name: str, shape: tuple[int, ...]) -> Array:
        """Odd multiples of 2**-33 in (0, 1)."""
        words = self.words(name, int(np.prod(shape, dtype=np.int64)))
        u: Array = ((words >> np.uint64(32)).astype(np.float64) + 0.5) * 2.0**-32
        return np.reshape(u, shape)

    def normal(self, name: str, shape: tuple[int, ...]) -> Array:
        """Sums of eight 16-bit uniforms, with mean 0 and variance 1; none beyond 4.9."""
        count = int(np.prod(shape, dtype=np.int64))
        generator, sums = self._generator(name), np.empty(count, np.uint64)
        for start in range(0, count, _BLOCK):
            words = generator.random_raw(2 * min(_BLOCK, count - start))
            fields = (words & _FIELDS) + ((words >> np.uint64(16)) & _FIELDS)
            lanes = fields[::2] + fields[1::2]
            sums[start : start + _BLOCK] = (lanes & _HALF) + (lanes >> np.uint64(32))
        centred: Array = sums.astype(np.float64) - 4 * 65535.0
        return np.reshape(np.asarray(centred / np.sqrt((65536.0**2 - 1) * 8 / 12)), shape)

    def heavy(self, name: str, shape: tuple[int, ...]) -> Array:
        """Student's t with two degrees of freedom, by its quantile function, cut off at +-100."""
        u = self.uniform(name, shape)
        return np.asarray(np.clip((2 * u - 1) / np.sqrt(2 * u * (1 - u)), -100.0, 100.0))

    def _generator(self, name: str) -> np.random.Philox:
        digest = sha256(f"{self.key}/{name}".encode()).digest()
        return np.random.Philox(key=int.from_bytes(digest[:16], "little"))


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What a family must know of the problem it fills.

    Attributes
    ----------
    seqlens_q, seqlens_k : (sequences,)
        Sequences lie end to end here, dense or packed.
    heads_q, heads_k, head_dim, head_dim_v : int
    scale : float
    format : Format
    """

    seqlens_q: tuple[int, ...]
    seqlens_k: tuple[int, ...]
    heads_q: int
    heads_k: int
    head_dim: int
    head_dim_v: int
    scale: float
    format: Format

    @property
    def shapes(self) -> dict[str, tuple[int, int, int]]:
        """(total, heads, dim) of q, k, v and dout."""
        total_q, total_k = sum(self.seqlens_q), sum(self.seqlens_k)
        return {
            "q": (total_q, self.heads_q, self.head_dim),
            "k": (total_k, self.heads_k, self.head_dim),
            "v": (total_k, self.heads_k, self.head_dim_v),
            "dout": (total_q, self.heads_q, self.head_dim_v),
        }

    @property
    def keys(self) -> Array:
        """Number of each key in its sequence: (total_k, 1, 1)."""
        return np.concatenate([np.arange(0), *map(np.arange, self.seqlens_k)])[:, None, None]

    @property
    def height(self) -> Array:
        """Place of each key in its sequence, from -1 (first) to 1 (last): (total_k, 1, 1)."""
        lengths = np.repeat(self.seqlens_k, self.seqlens_k)[:, None, None]
        return np.asarray(2.0 * self.keys / np.maximum(lengths - 1, 1) - 1.0)


def draw(family: str, sizes: Sizes, stream: Stream) -> Tensors:
    """q, k, v and dout of a family, exact in ``sizes.format``: (total, heads, dim) carriers.

    Raises
    ------
    ValueError
        If there is no such family.
    """
    if family not in FAMILIES:
        raise ValueError(f"no input family {family!r}: give one of {', '.join(FAMILIES)}")
    tensors = FAMILIES[family].build(sizes, stream)
    return {name: sizes.format.round(tensor) for name, tensor in tensors.items()}


def _normal(sizes: Sizes, stream: Stream) -> Tensors:
    return {name: stream.normal(name, shape) for name, shape in sizes.shapes.items()}


def _multiplied(
    *, q: float = 1.0, k: float = 1.0, v: float = 1.0
) -> Callable[[Sizes, Stream], Tensors]:
    def build(sizes: Sizes, stream: Stream) -> Tensors:
        x = _normal(sizes, stream)
        return x | {"q": q * x["q"], "k": k * x["k"], "v": v * x["v"]}

    return build


def _shifted(logit: float, *, q0: float, spread: float) -> Callable[[Sizes, Stream], Tensors]:
    """Channel 0 alone brings every logit to about `logit`; the others tell keys apart."""

    def build(sizes: Sizes, stream: Stream) -> Tensors:
        x = _multiplied(q=spread, k=spread)(sizes, stream)
        x["q"][..., 0] = q0
        x["k"][..., 0] = logit / (sizes.scale * q0)
        return x

    return build


def _growing(sizes: Sizes, stream: Stream) -> Tensors:
    x = _normal(sizes, stream)
    direction = np.where(np.arange(sizes.heads_k) % 2, -1.0, 1.0)  # odd heads fall
    x["q"][..., 0] = 16.0
    x["k"][..., 0] = 150.0 / (sizes.scale * 16.0) * (sizes.height[..., 0] * direction)
    return x


def _outlier_channel(sizes: Sizes, stream: Stream) -> Tensors:
    x = _normal(sizes, stream)
    x["k"][..., sizes.head_dim // 3] *= 32.0
    x["v"][..., sizes.head_dim_v // 3] *= 32.0
    return x


def _outlier_key(sizes: Sizes, stream: Stream) -> Tensors:
    x = _normal(sizes, stream)
    starts = np.cumsum((0, *sizes.seqlens_k))
    places = [a + 2 * n // 3 for a, n in zip(starts, sizes.seqlens_k, strict=False) if n]
    x["k"][places] *= 32.0
    return x


def _heavy(sizes: Sizes, stream: Stream) -> Tensors:
    return {name: stream.heavy(name, shape) for name, shape in sizes.shapes.items()}


def _mean_v(sizes: Sizes, stream: Stream) -> Tensors:
    x = _normal(sizes, stream)
    return x | {"v": 16.0 + x["v"] / 4}


def _cancelling_v(sizes: Sizes, stream: Stream) -> Tensors:
    x = _normal(sizes, stream)
    odd = (sizes.keys + np.arange(sizes.head_dim_v)) % 2
    return x | {"q": x["q"] / 4, "v": x["v"] + np.where(odd, -50.0, 50.0)}


def _tiny(sizes: Sizes, stream: Stream) -> Tensors:
    """Values of v at the smallest normal number, so that weighted sums of them lie below it.

    In FP32 they keep 8 bits above it: a product of the accumulator's own precision may underflow
    there, once for each key, and no contract speaks of that.
    """
    above = 8 if sizes.format.precision == 24 else 0
    return _multiplied(v=2.0 ** (sizes.format.min_exponent + above))(sizes, stream)


def _constant(sizes: Sizes, stream: Stream) -> Tensors:
    """One value to each head of each sequence; v has one to each channel, too."""
    x = _normal(sizes, stream)
    batch = len(sizes.seqlens_q)
    for name, seqlens in (("q", sizes.seqlens_q), ("k", sizes.seqlens_k)):
        heads = x[name].shape[1]
        values = (1.0 + np.arange(batch * heads).reshape(batch, heads, 1)) / 8
        x[name][...] = np.repeat(values, seqlens, axis=0)
    values = stream.normal("v", (batch, sizes.heads_k, sizes.head_dim_v))
    return x | {"v": np.repeat(values, sizes.seqlens_k, axis=0)}


def _uniform(sizes: Sizes, stream: Stream) -> Tensors:
    return {name: stream.uniform(name, shape) for name, shape in sizes.shapes.items()}


@dataclass(frozen=True)
class Family:
    """How q, k, v and dout are drawn, and why that is worth a test.

    Attributes
    ----------
    why : str
    build : function
        Unrounded float64 tensors by name, (total, heads, dim).
    """

    why: str
    build: Callable[[Sizes, Stream], Tensors]


FAMILIES = {
    "normal": Family("the everyday: logits of variance 1", _normal),
    "peaked": Family("logits x18: a few keys take all the weight", _multiplied(q=4.5, k=4.0)),
    "huge": Family("logits x300: one key wins, exp underflows", _multiplied(q=20.0, k=15.0)),
    "neg300": Family(
        "all logits near -300: shows a maximum that starts at 0, or exp without a maximum",
        _shifted(-300.0, q0=16.0, spread=1.0),
    ),
    "neg6e4": Family(
        "all logits near -6e4: shows a maximum or a mask with a finite stand-in for -inf",
        _shifted(-60000.0, q0=256.0, spread=0.5),
    ),
    "grow": Family(
        "logits rise from -150 to 150 along the keys, or fall: every tile moves the maximum",
        _growing,
    ),
    "outlier-channel": Family(
        "one channel of k and v x32, as in language models", _outlier_channel
    ),
    "outlier-key": Family("one key x32: half the rows see little else", _outlier_key),
    "heavy": Family("Student's t: outliers everywhere, in gradients too", _heavy),
    "mean-v": Family("v = 16 +- 1/4: errors of the row sum have nowhere to hide", _mean_v),
    "cancel-v": Family("v = +-50, cancelling: errors of single weights show", _cancelling_v),
    "tiny": Family("results at or below the smallest normal number", _tiny),
    "constant": Family("equal keys: weights are exactly 1 / n, out is v", _constant),
    "uniform": Family("all positive, the field's usual input: nothing cancels", _uniform),
}
