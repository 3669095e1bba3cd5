"""Turns: threads add to the same rows of dq in one order, so that every sum is always the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, eq=False)
class Turns:
    """The order in which blocks of keys add to dq: block j adds to a row block after block j - 1.

    This fixes every sum at any number of threads. Blocks start in order, so the wait is short and
    never circular.
    """

    done: dict[tuple[int, int], int] = field(default_factory=dict)
    failed: threading.Event = field(default_factory=threading.Event)
    changed: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def turn(self, place: tuple[int, int], number: int) -> Iterator[None]:
        """Wait until `number` turns at `place` are over, then take the next."""
        with self.changed:
            self.changed.wait_for(lambda: self.done.get(place, 0) == number or self.failed.is_set())
        yield
        with self.changed:
            self.done[place] = number + 1
            self.changed.notify_all()

    @contextmanager
    def alarm(self) -> Iterator[None]:
        """Release those who wait if the body raises."""
        try:
            yield
        except BaseException:
            with self.changed:
                self.failed.set()
                self.changed.notify_all()
            raise
