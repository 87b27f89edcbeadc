"""From scores of folds to a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from synthkit.augmenting.arms import ARMS, AUGMENTED, CONTROLS, NOTHING
from synthkit.augmenting.measure import Measured
from synthkit.augmenting.scores import METRICS, corrected

__all__ = ["LEVEL", "Said", "by_group", "differences", "judged", "means", "overall"]

Said = Literal["helps", "no evidence", "hurts"]
LEVEL = 0.95
"""Of all learners' intervals together (Bonferroni)."""


def means(measured: Measured) -> pd.DataFrame:
    """Mean score over folds: one line per learner and metric, one column per arm."""
    grouped = measured.scores.groupby(["learner", "metric", "arm"], sort=False)["value"].mean()
    return grouped.unstack("arm")[list(ARMS)].reset_index().rename_axis(columns=None)  # noqa: PD010


def differences(measured: Measured, learners: Sequence[str], primary: str) -> pd.DataFrame:
    """Per learner, metric and other arm: the mean paired difference and its interval; positive: augmented is better."""
    lines = []
    for learner in learners:
        for metric, sign in METRICS.items():
            wide = _folds(measured.scores, learner, metric)
            for arm in ARMS[:-1]:
                change = sign * (wide[AUGMENTED] - wide[arm])
                found = corrected(change.to_numpy(), measured.share, _level(learners))
                lines.append(
                    {
                        "learner": learner,
                        "metric": metric,
                        "primary": metric == primary,
                        "against": arm,
                        "augmented": float(wide[AUGMENTED].mean()),
                        "other": float(wide[arm].mean()),
                        "difference": found.value,
                        "low": found.low,
                        "high": found.high,
                        "folds": found.folds,
                    }
                )
    return pd.DataFrame(lines)


def by_group(measured: Measured, learners: Sequence[str], primary: str, names: Sequence[object]) -> pd.DataFrame:
    """The same per group, of the primary metric, against nothing; ``rows`` are test rows in the mean fold."""
    lines = []
    for learner in learners if len(measured.groups) else ():
        own = measured.groups[measured.groups["learner"] == learner]
        for g, part in own.groupby("group"):
            wide = part.set_index(["fold", "arm"])["value"].unstack("arm")  # noqa: PD010
            # folds in which the group has one class only have no value
            change = METRICS[primary] * (wide[AUGMENTED] - wide[NOTHING])
            found = corrected(change.to_numpy(), measured.share, _level(learners))
            lines.append(
                {
                    "learner": learner,
                    "group": names[int(str(g))],
                    "rows": float(part.groupby("fold")["rows"].first().mean()),
                    "augmented": float(wide[AUGMENTED].mean()),
                    "nothing": float(wide[NOTHING].mean()),
                    "difference": found.value,
                    "low": found.low,
                    "high": found.high,
                    "folds": found.folds,
                }
            )
    return pd.DataFrame(lines)


def judged(table: pd.DataFrame, learners: Sequence[str]) -> dict[str, tuple[Said, str]]:
    """Per learner what the primary metric says, and why.

    "helps": above the best of nothing, duplication and class weights by more than the interval; "hurts": below nothing
    by more than the interval.
    """
    out: dict[str, tuple[Said, str]] = {}
    for learner in learners:
        lines = table[table["primary"] & (table["learner"] == learner)].set_index("against")
        sign = METRICS[str(lines["metric"].iloc[0])]
        others = sign * lines.loc[list(CONTROLS), "other"]
        if others.isna().any() or lines["difference"].isna().any():
            out[learner] = "no evidence", "no fold could be judged"
            continue
        best = str(others.idxmax())
        against, nothing = lines.loc[best], lines.loc[NOTHING]
        if against["low"] > 0:
            out[learner] = "helps", f"better than {best}, the best of {', '.join(CONTROLS)}"
        elif nothing["high"] < 0:
            out[learner] = "hurts", "worse than the real rows alone"
        else:
            rival = f"than {best}, the best of {', '.join(CONTROLS)}"
            better = against["difference"] > 0
            out[learner] = (
                "no evidence",
                f"better {rival}, but within the interval" if better else f"not better {rival}",
            )
    return out


def overall(verdicts: dict[str, tuple[Said, str]], gate: str) -> tuple[Said, str]:
    """One verdict: some learner is helped, none is hurt, and the gate does not fail."""
    helped = [name for name, (said, _) in verdicts.items() if said == "helps"]
    hurt = [name for name, (said, _) in verdicts.items() if said == "hurts"]
    if helped and hurt:
        return "no evidence", f"it helps {', '.join(helped)} and hurts {', '.join(hurt)}"
    if hurt:
        return "hurts", "; ".join(f"{name}: {verdicts[name][1]}" for name in hurt)
    if helped and gate == "fail":
        return "no evidence", f"it helps {', '.join(helped)}, but the drawn rows fail the gates of 'augmentation'"
    if helped:
        return "helps", "; ".join(f"{name}: {verdicts[name][1]}" for name in helped)
    return "no evidence", "; ".join(f"{name}: {reason}" for name, (_, reason) in verdicts.items())


def _folds(scores: pd.DataFrame, learner: str, metric: str) -> pd.DataFrame:
    rows = scores[(scores["learner"] == learner) & (scores["metric"] == metric)]
    return rows.set_index(["fold", "arm"])["value"].unstack("arm")  # noqa: PD010


def _level(learners: Sequence[str]) -> float:
    return 1 - (1 - LEVEL) / len(learners)
