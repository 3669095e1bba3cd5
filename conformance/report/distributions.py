"""What the tests of a run say together: how errors are spread, and the worst cases' maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from conformance.run.record import Record

WORST = 10


def distributions(records: Iterable[Record]) -> list[Record]:
    """Counts of elements by error / allowed and error / sigma, for each kernel, tensor and format.

    See conformance.report.spread for what a count counts.
    """
    found: dict[tuple[str, str, str], Record] = {}
    for record in records:
        for tensor in record["tensors"]:
            spread = tensor.get("spread")
            if not spread:
                continue
            key = (record["kernel"], tensor["name"], record["format"])
            names = dict(zip(("kernel", "tensor", "format"), key, strict=True))
            there = found.setdefault(key, names)
            for name, counts in spread.items():
                before = there.get(name, [0] * len(counts))
                there[name] = [a + b for a, b in zip(before, counts, strict=True)]
    return list(found.values())


def worst_maps(records: Iterable[Record]) -> list[Record]:
    """The maps of the tests whose error is largest beside what is allowed, worst first."""
    mapped = [record for record in records if record.get("map")]
    return [
        {name: record[name] for name in ("kernel", "test", "case", "format")}
        | {"ratio": ratio(record), **record["map"]}
        for record in sorted(mapped, key=_size, reverse=True)[:WORST]
    ]


def ratio(record: Record) -> float | str:
    """The largest error / allowed among the tensors of a test, as the document says numbers."""
    return max((tensor["ratio"] for tensor in record["tensors"]), key=float, default=0.0)


def _size(record: Record) -> float:
    return float(ratio(record))


def without_details(records: Sequence[Record]) -> list[Record]:
    """The records as the document lists them."""
    return [
        {name: value for name, value in record.items() if name != "map"}
        | {
            "tensors": [
                {name: value for name, value in tensor.items() if name != "spread"}
                for tensor in record["tensors"]
            ]
        }
        for record in records
    ]
