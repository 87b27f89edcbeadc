"""What ``audit`` found."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from synthkit.auditing.figures import Bars, plain
from synthkit.metrics.rates import Interval

__all__ = ["Audit", "Shadow", "ShadowAttack"]


@dataclass(frozen=True)
class Shadow:
    """How far an audit is.

    Attributes:
        done, planned: fits; seconds: since the first began.
    """

    done: int
    planned: int
    seconds: float


@dataclass(frozen=True)
class ShadowAttack:
    """How well the likelihood-ratio attack did, over all fits; intervals at 95 %.

    Attributes:
        auc, interval: ROC AUC of telling who was learnt, mean over fits; the interval is of fits, for these records.
        tpr, tpr_interval: share of the learnt found at 1 % false alarms, thresholds taken from the other fits.
        tpr_strict, tpr_strict_interval: at .1 %; NaN where too few non-members were scored.
        isolated, isolated_interval: the AUC among the tenth that lies farthest from all others.
    """

    auc: float
    interval: Interval
    tpr: float
    tpr_interval: Interval
    tpr_strict: float
    tpr_strict_interval: Interval
    isolated: float
    isolated_interval: Interval

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers; NaN becomes None."""
        figures = {
            "auc": self.auc,
            "auc_interval": self.interval,
            "tpr_at_1_percent": self.tpr,
            "tpr_interval": self.tpr_interval,
            "tpr_at_0.1_percent": self.tpr_strict,
            "tpr_at_0.1_percent_interval": self.tpr_strict_interval,
            "auc_isolated": self.isolated,
            "auc_isolated_interval": self.isolated_interval,
        }
        return {name: plain(value) for name, value in figures.items()}

    def __str__(self) -> str:
        line = f"AUC {self.auc:.3f} in [{self.interval[0]:.3f}, {self.interval[1]:.3f}]"
        if not math.isnan(self.tpr):
            line += f", TPR at 1 % false alarms {self.tpr:.3f} (at most {self.tpr_interval[1]:.3f})"
        if not math.isnan(self.tpr_strict):
            line += f", at .1 % {self.tpr_strict:.4f} (at most {self.tpr_strict_interval[1]:.4f})"
        return line + ("" if math.isnan(self.isolated) else f"; most isolated {self.isolated:.3f}")


@dataclass(frozen=True)
class Audit:
    """What shadow models found.

    Attributes:
        rows: the attack on tables that were drawn; model: on tables and likelihoods together, None where the model has
            no likelihood ("not tested", which is no pass).
        features: AUC of each feature of drawn tables by itself.
        secrets: per secret the rate of right guesses for records that were learnt (``members``) and others, ``more``
            with its ``interval``, and ``risk``, ``more`` as a share of what is possible.
        refits: fits; unit: what was judged, ``"rows"`` or ``"entities"``; judged: how many; seed: of everything.
        records: a line per row, the riskiest first: how much surer the attacker is that it was learnt, from 0 to 1, in
            fits with it than in fits without it, by ``rows`` and by the ``model``; and whether it lies far from all
            others. About persons: never part of :meth:`to_dict`, not to be handed out. Of few refits, mostly
            noise; NaN of who was in all fits or none.
        bars: what may be shared, see :class:`synthkit.auditing.figures.Bars`.
    """

    rows: ShadowAttack
    model: ShadowAttack | None
    features: Mapping[str, float]
    secrets: Mapping[Hashable, Mapping[str, Any]]
    refits: int
    unit: str
    judged: int
    seed: int
    records: pd.DataFrame = field(repr=False)
    bars: Bars = field(default_factory=Bars)

    @property
    def share_rows(self) -> bool:
        """Are the upper ends for drawn rows below the bars?"""
        return self.bars.kept(self.rows)

    @property
    def share_model(self) -> bool | None:
        """The same for the model; None: not tested."""
        return None if self.model is None else self.bars.kept(self.model)

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain numbers, for JSON, without the records; NaN becomes None."""
        tested = self.share_model
        return {
            "method": "shadow models, likelihood ratio (Carlini et al. 2022), leave one model out",
            "refits": self.refits,
            "unit": self.unit,
            "judged": self.judged,
            "rows": self.rows.to_dict(),
            "model": "not tested" if self.model is None else self.model.to_dict(),
            "features": {name: plain(value) for name, value in self.features.items()},
            "secrets": {str(name): {k: plain(v) for k, v in told.items()} for name, told in self.secrets.items()},
            "below_the_bars": {"rows": self.share_rows, "model": "not tested" if tested is None else tested},
            "bars": self.bars.to_dict(),
            "seed": self.seed,
        }

    def __str__(self) -> str:
        words = {True: "below the bars", False: "above the bars: do not share", None: "not tested (no likelihood)"}
        lines = [f"shadow-model audit: {self.refits} refits, {self.judged:,} {self.unit}"]
        lines.append(f"  drawn rows: {self.rows}: {words[self.share_rows]}")
        found = "" if self.model is None else f"{self.model}: "
        lines.append(f"  the model:  {found}{words[self.share_model]}")
        for name, told in self.secrets.items():
            low, high = told["interval"]
            lines.append(
                f"  secret {name!r}: guessed right {told['members']:.3f} of members, {told['others']:.3f} of others "
                f"(more by {told['more']:.3f} in [{low:.3f}, {high:.3f}])"
            )
        return "\n".join(lines)
