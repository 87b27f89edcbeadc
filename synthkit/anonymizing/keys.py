"""Do keys, personal data and texts come back? No attack looks at such columns, as none of their cells is learnt.

That holds for synthkit's own synthesizers; another one may hand out what it read. So the values that come back are
counted beside those of the part held back, of which none can come from the fit: names do, by chance, on both sides.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import pandas as pd
from scipy.stats import hypergeom

from synthkit.anonymizing.asked import Asked
from synthkit.anonymizing.drawing import Draw
from synthkit.report.gates import GateResult
from synthkit.schema import Identifier, Personal, Text

__all__ = ["comes_back"]

_ALPHA = 0.02  # of all columns together: a table of fresh values fails in so many cases at most
_TOLERANCE = 0.01  # of the difference of shares, as that of copies


def comes_back(asked: Asked, draw: Draw) -> Iterator[GateResult]:
    """One gate for all columns that are not learnt, by the worst of them; none where there is no such column."""
    apart = (Identifier, Personal, Text)
    names = [n for n, kind in draw.schema.columns.items() if isinstance(kind, apart) or n == asked.entity]
    found = [result for name in names if name not in asked.keep and (result := _compared(draw, name, len(names)))]
    if found:
        yield max(found, key=lambda result: (result.status == "fail", result.excess))


def _compared(draw: Draw, name: Hashable, columns: int) -> GateResult | None:
    made = _values(draw.table[name])
    sides = [_values(part[name]) for part in (draw.train, draw.holdout)]
    if not all(sides):
        return None
    (hits, tries), (hits_c, tries_c) = ((len(side & made), len(side)) for side in sides)
    rate, control = hits / tries, hits_c / tries_c
    chance = float(hypergeom.sf(hits - 1, tries + tries_c, hits + hits_c, tries))
    bad = chance < _ALPHA / columns and rate - control > _TOLERANCE
    words = f"{rate:.3f} of the values of column {name!r} come back, {control:.3f} of those held back: "
    words += "beyond chance" if bad else "not beyond chance"
    label, gain = "Keys, personal data and texts that come back", rate - control
    return GateResult("comes_back", label, "fail" if bad else "pass", words, gain, (gain, gain), _TOLERANCE, 1.0)


def _values(column: pd.Series) -> set[Hashable]:
    """Different cells; 1 and 1.0 are the same."""
    return set(column.dropna().astype(object))
