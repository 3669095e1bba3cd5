"""A bar that shows how far a long command is, where somebody watches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar("Item")


def watched(items: Sequence[Item], title: str) -> Iterator[Item]:
    """The same items; a bar on stderr, if that is a terminal, counts those that are done."""
    console = Console(stderr=True)
    is_quiet = not console.is_terminal
    yield from track(items, title, console=console, transient=True, disable=is_quiet)
