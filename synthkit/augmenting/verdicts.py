"""From scores of folds to a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

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
        for metric in METRICS:
            rows = measured.scores[(measured.scores["learner"] == learner) & (measured.scores["metric"] == metric)]
            for arm in ARMS[:-1]:
                line = {"learner": learner, "metric": metric, "primary": metric == primary, "against": arm}
                lines.append({**line, **_compared(rows, arm, "other", metric, measured.share, len(learners))})
    return pd.DataFrame(lines)


def by_group(measured: Measured, learners: Sequence[str], primary: str, names: Sequence[object]) -> pd.DataFrame:
    """The same per group, of the primary metric, against nothing; ``rows`` are test rows in the mean fold."""
    lines = []
    for learner in learners if len(measured.groups) else ():
        own = measured.groups[measured.groups["learner"] == learner]
        for g, rows in own.groupby("group"):
            many = float(rows.groupby("fold")["rows"].first().mean())
            line = {"learner": learner, "group": names[int(str(g))], "rows": many}
            # folds in which the group has one class only have no value
            lines.append({**line, **_compared(rows, NOTHING, NOTHING, primary, measured.share, len(learners))})
    return pd.DataFrame(lines)


def _compared(rows: pd.DataFrame, arm: str, label: str, metric: str, share: float, learners: int) -> dict[str, Any]:
    """Mean scores over folds of the augmented rows and of an arm, their difference and its interval."""
    wide = rows.set_index(["fold", "arm"])["value"].unstack("arm")  # noqa: PD010
    change = METRICS[metric] * (wide[AUGMENTED] - wide[arm])
    found = corrected(change.to_numpy(), share, 1 - (1 - LEVEL) / learners)
    return {"augmented": float(wide[AUGMENTED].mean()), label: float(wide[arm].mean()), **found._asdict()}


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
            out[learner] = "helps", f"better than the best control ({best}) by more than the interval"
        elif nothing["high"] < 0:
            out[learner] = "hurts", "worse than the real rows alone"
        else:
            better, rival = against["difference"] > 0, f"better than the best control ({best})"
            out[learner] = "no evidence", f"{rival}, but within the interval" if better else f"not {rival}"
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
