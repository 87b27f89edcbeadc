"""Keys, personal data and texts: no real key is drawn, even by chance; and does any such value come back?

No attack looks at these columns, as none of their cells is learnt. That holds for synthkit's own synthesizers; another
one may hand out what it read. So the values that come back are counted beside those of the part held back, of which
none can come from the fit: names do, by chance, on both sides.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from synthkit.anonymizing.asked import Asked
from synthkit.anonymizing.drawing import Draw
from synthkit.inference import from_canonical
from synthkit.pii.checks import objects
from synthkit.report.gates import GateResult
from synthkit.runtime import entropy
from synthkit.schema import Identifier, Personal, Text
from synthkit.synthesizers import SequenceSynthesizer, TabularSynthesizer
from synthkit.transforms import ColumnTransformer

__all__ = ["comes_back", "nobodys"]

_ALPHA = 0.02  # of all columns together: a table of fresh values fails in so many cases at most
_TOLERANCE = 0.01  # of the difference of shares, as that of copies


_SHARED = ("first_name", "last_name", "full_name", "address", "postcode", "city", "bic")  # several have them
_ROUNDS = 20  # of other keys in place of real ones; there may be none left


def nobodys(table: pd.DataFrame, synthesizer: Any, keep: Collection[Hashable], drawn: pd.DataFrame, seed: int) -> Any:
    """The drawn table without a key (account, number, e-mail address) of the real one; others take their place.

    A short key is somebody's by chance, and what stands beside it would be taken for that person's. Whether a key is
    missing tells nothing: hardly any is drawn. Rows of one key keep sharing one.
    """
    for k, (name, transformer) in enumerate(_keys(synthesizer, keep)):
        real, kind = _values(table[name]), synthesizer.schema_.columns[name]
        codes, found = pd.factorize(drawn[name].astype(object))
        levels, taken, rng = objects(list(found)), set(found), np.random.default_rng(entropy(seed, 17, k))
        for _ in range(_ROUNDS):
            bad = [at for at, value in enumerate(levels) if value in real]
            if not bad:
                break
            many = 2 * len(bad) + 16
            made = from_canonical(transformer.decode({}, many, rng), np.zeros(many, np.bool_), kind).astype(object)
            fresh = [value for value in dict.fromkeys(made) if value not in real and value not in taken][: len(bad)]
            levels[bad[: len(fresh)]] = objects(fresh)
            taken |= set(fresh)
        if taken == set(found):
            continue
        cells = objects([None if code < 0 else levels[code] for code in codes])
        drawn[name] = pd.Series(cells, index=drawn.index).astype(drawn[name].dtype)
    return drawn


def _keys(synthesizer: Any, keep: Collection[Hashable]) -> Iterator[tuple[Hashable, ColumnTransformer]]:
    """The columns of keys and what makes them; none of a synthesizer that is not ours."""
    encoders = []
    if isinstance(synthesizer, TabularSynthesizer):
        encoders = [synthesizer.encoder_]
    elif isinstance(synthesizer, SequenceSynthesizer):
        encoders = [synthesizer.entities_.encoder_, synthesizer.encoder_.rows_]
    done = set(keep)
    for encoder in encoders:
        for name, t in encoder.transformers_.items():
            unique = isinstance(t.kind, Identifier) or (isinstance(t.kind, Personal) and t.kind.kind not in _SHARED)
            if unique and name in synthesizer.schema_.columns and name not in done:
                done.add(name)
                yield name, t


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
