"""From what shadow models saw to figures: AUC, members found at few false alarms, the risk of each record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from synthkit.auditing.audit_report import Audit, ShadowAttack
from synthkit.auditing.bounds import clopper_pearson, mean_interval
from synthkit.auditing.ratio import belief
from synthkit.metrics.rates import Interval
from synthkit.metrics.roc import placements

__all__ = ["judged"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_RATES = (0.01, 0.001)  # of false alarms


def judged(found: Mapping[str, Any], index: pd.Index, targets: Bools) -> Audit:
    """The audit's result.

    Args:
        found: what the fits told, see ``shadows``; index: ``(rows,)`` labels; targets: ``(rows,)`` who is judged.
    """
    learnt, owner = found["learnt"], found["owner"]
    who = np.zeros(learnt.shape[1], np.bool_)
    who[owner[targets]] = True
    own = belief(found["seen"], learnt)
    rows = _attack(own, learnt, who, found["far"])
    model, both = None, own
    if found["likely"] is not None:
        both = belief(np.concatenate([found["seen"], found["likely"]], axis=2), learnt)
        model = _attack(both, learnt, who, found["far"])
    single = {
        name: float(np.nanmean(_aucs(belief(found["seen"][..., [j]], learnt), learnt, who)))
        for j, name in enumerate(found["features"])
    }
    records = pd.DataFrame({"rows": _risk(own, learnt), "model": _risk(both, learnt)})
    if found["likely"] is None:
        records = records.drop(columns="model")
    records["isolated"] = found["far"]
    return Audit(
        rows=rows,
        model=model,
        features=single,
        secrets={name: _learned(found["right"][..., j], learnt, who) for j, name in enumerate(found["secrets"])},
        refits=len(learnt),
        unit=found["unit"],
        judged=int(who.sum()),
        seed=found["seed"],
        records=_by_row(records, index, owner, targets),
    )


def _by_row(records: pd.DataFrame, index: pd.Index, owner: NDArray[np.int64], targets: Bools) -> pd.DataFrame:
    """A line per row of the table, the riskiest first; rows of an entity share its risk."""
    frame = records.take(owner).set_axis(index)[targets]
    last = "model" if "model" in frame else "rows"
    return frame.sort_values(last, ascending=False, kind="stable")


def _aucs(score: Floats, learnt: Bools, who: Bools) -> Floats:
    """``(models,)`` of telling the learnt from the others; NaN where one of them is missing."""
    out = np.full(len(score), np.nan)
    for m, (s, inside) in enumerate(zip(score, learnt, strict=True)):
        sides = s[who & inside], s[who & ~inside]
        if min(map(len, sides)):
            out[m] = float(placements(*sides)[0].mean())
    return out


def _attack(score: Floats, learnt: Bools, who: Bools, far: Bools) -> ShadowAttack:
    score = np.round(score, 6)
    aucs = _aucs(score, learnt, who)
    aucs = aucs[~np.isnan(aucs)]
    outer = _aucs(score, learnt, who & far)
    tprs = [_found_at(score, learnt, who, rate) for rate in _RATES]
    return ShadowAttack(
        auc=float(aucs.mean()) if len(aucs) else float("nan"),
        interval=mean_interval(aucs, 0.0, 1.0),
        tpr=tprs[0][0],
        tpr_interval=tprs[0][1],
        tpr_strict=tprs[1][0],
        tpr_strict_interval=tprs[1][1],
        isolated=float(np.nanmean(outer)) if np.isfinite(outer).any() else float("nan"),
        isolated_interval=mean_interval(outer[np.isfinite(outer)], 0.0, 1.0),
    )


def _found_at(score: Floats, learnt: Bools, who: Bools, rate: float) -> tuple[float, Interval]:
    """Share of members found at such a rate of false alarms.

    The threshold of a model is a quantile of the non-members' scores of all *other* models. The interval is the wider
    of that of the mean over models, and of the exact one over all.
    """
    inside, outside = who & learnt, who & ~learnt
    shares, hits, tries = [], 0, 0
    for m in range(len(score)):
        others = np.arange(len(score)) != m
        pool = np.sort(score[others][outside[others]])[::-1]
        allowed = int(rate * len(pool))
        if not allowed or not inside[m].any():
            continue
        found = score[m][inside[m]] > pool[allowed]
        shares.append(float(found.mean()))
        hits, tries = hits + int(found.sum()), tries + len(found)
    if not shares:
        return float("nan"), (float("nan"), float("nan"))
    by_model, exact = mean_interval(np.array(shares), 0.0, 1.0), clopper_pearson(hits, tries)
    return float(np.mean(shares)), (min(by_model[0], exact[0]), max(by_model[1], exact[1]))


def _risk(score: Floats, learnt: Bools) -> Floats:
    """``(records,)`` mean probability of membership in fits with the record, less that in fits without it."""
    sure = expit(score)
    many = learnt.sum(0), (~learnt).sum(0)
    means = [
        np.where(side, sure, 0.0).sum(0) / np.maximum(n, 1) for side, n in zip((learnt, ~learnt), many, strict=True)
    ]
    return np.where((many[0] > 0) & (many[1] > 0), means[0] - means[1], np.nan)


def _learned(right: Floats, learnt: Bools, who: Bools) -> dict[str, Any]:
    """How much oftener a secret is guessed from tables that learnt the record; interval over models."""
    known = ~np.isnan(right) & who
    rates = []
    for inside in (learnt, ~learnt):
        many = (known & inside).sum(1)
        rates.append(np.where(known & inside, np.nan_to_num(right), 0.0).sum(1) / np.maximum(many, 1))
    more = rates[0] - rates[1]
    control = float(rates[1].mean())
    return {
        "members": float(rates[0].mean()),
        "others": control,
        "more": float(more.mean()),
        "interval": mean_interval(more, -1.0, 1.0),
        "risk": float(more.mean()) / (1 - control) if control < 1 else float("nan"),
    }
