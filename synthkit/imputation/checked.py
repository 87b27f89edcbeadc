"""An imputer that scores itself before it is used, and says or refuses what it cannot fill well."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pandas as pd
from sklearn.base import clone

from synthkit.errors import GateError, SynthkitWarning
from synthkit.imputation.iscore import unfitted
from synthkit.imputation.score import ImputationReport, score_imputation
from synthkit.runtime import entropy

if TYPE_CHECKING:
    from synthkit.imputation.imputer import Imputer

__all__ = ["gate", "scored"]

_REPEATS, _DRAWS = 2, 20
_NAME = "imputer"
_BAD = "do not use"


def scored(imputer: Imputer, table: pd.DataFrame, seed: int) -> ImputationReport:
    """The imputer's method on known cells of ``table`` that are hidden as its own gaps lie, fitted without them.

    A fitted synthesizer is fitted anew: it has seen what it would be scored on.
    """
    again = clone(imputer).set_params(
        method=unfitted(imputer.method), check=None, add_indicator=False, keep_empty_features=True
    )
    if imputer.schema is not None:
        again.set_params(schema=imputer.schema.project(list(table.columns)))
    if again.target is not None and again.purpose == "prediction":
        again.set_params(target=None)
    return score_imputation(
        table,
        {_NAME: again},
        masks="observed",
        repeats=_REPEATS,
        draws=_DRAWS,
        energy=0,  # these would take many more fits
        detect=0,
        seed=entropy(seed, 3) % 2**31,
    )


def gate(report: ImputationReport, table: pd.DataFrame, action: str) -> None:
    """Warn, or raise a GateError, where a column that has gaps is not to be filled by this method."""
    lines = report.table[(report.table["method"] == _NAME) & (report.table["verdict"] == _BAD)]
    bad = [name for name in lines["column"] if table[name].isna().any()]
    if not bad:
        return
    text = (
        f"Imputer.fit: check 'imputation': {len(bad)} columns should not be filled by this method, even if cells are "
        f"missing at random: {', '.join(repr(name) for name in bad[:5])}{' ...' if len(bad) > 5 else ''}. "
        "See report_; try another method, leave these columns empty, or analyse without them."
    )
    if action == "raise":
        raise GateError(text)
    warnings.warn(text, SynthkitWarning, stacklevel=3)
