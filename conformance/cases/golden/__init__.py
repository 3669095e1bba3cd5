"""The cases of the committed set: small, each feature and each length about a tile of 128 keys.

One or two heads and head_dim 8 to 24 keep a vector near 100 KiB; four have real sizes. A case's id
begins with "g-" and never changes; it is none of the suite's.
"""

from __future__ import annotations

from conformance.cases.case import Case
from conformance.cases.golden import lengths, masks, scores

CASES: tuple[Case, ...] = (*lengths.CASES, *masks.CASES, *scores.CASES)
