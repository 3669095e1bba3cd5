"""AdditionOrder: threads add to shared sums in a fixed order, so that each sum has fixed bits."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, eq=False)
class AdditionOrder:
    """The order in which tasks add to what they share: task n adds at a place after task n - 1.

    This fixes every sum at any number of threads. Tasks start in order, so the wait is short and
    never circular.
    """

    done: dict[Hashable, int] = field(default_factory=dict)
    failed: threading.Event = field(default_factory=threading.Event)
    changed: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def turn(self, place: Hashable, number: int) -> Iterator[None]:
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
