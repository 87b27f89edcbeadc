"""The membership attacks as metrics."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from synthkit.metrics.attacks import (
    ATTACKS,
    FPR,
    LEAST,
    NEED,
    Attack,
    Fold,
    Neighbourhoods,
    Scores,
    Targets,
    judge_as,
    strongest,
)
from synthkit.metrics.base import Case, Measurement, Metric
from synthkit.metrics.rates import CERTIFIED_AUC, CERTIFIED_TPR, certified, detectable_rate

__all__ = ["MIAClassifier", "MIADensity", "MIADistance", "MIALocal", "Membership", "MembershipTPR"]


def _neighbourhoods(case: Case) -> Neighbourhoods:
    """Drawn once per case; the attacks share the distances."""
    assert case.holdout is not None
    s, t, h = case.synthetic.coded, case.real.coded, case.holdout.coded
    rows, reference, trees = case.limit(1000, 5000, 10_000), case.limit(5000, 15_000, 40_000), case.limit(30, 40, 100)
    return case.once(
        "attacked",
        lambda: Neighbourhoods(Targets.of(s, t, h, seed=case.seed, rows=rows, reference=reference, trees=trees)),
    )


def _far(case: Case) -> Fold:
    return case.once("attacked far", lambda: _neighbourhoods(case).far())


def _scores(case: Case, attack: str) -> Scores:
    return case.once(("attack", attack), lambda: ATTACKS[attack](_neighbourhoods(case)))


class _MIA(Metric):
    """An attack on membership, scored by its AUC."""

    group = "privacy"
    goal = "lower"
    best = 0.5
    needs = ("holdout",)
    culprit = "copy"
    attack: ClassVar[str]
    least: ClassVar[int] = 2 * LEAST  # training and holdout rows

    def measure(self, case: Case) -> Measurement:
        """The AUC with its interval; the TPR at 1 % FPR and the AUC among isolated rows are parts."""
        assert case.holdout is not None
        if min(len(case.real), len(case.holdout)) < self.least or not len(case.synthetic):
            return Measurement.nothing(f"too few rows: needs {self.least} training and {self.least} holdout rows")
        found, details = self.result(case)
        parts = {**details.pop("parts", {}), "TPR at 1 % FPR": found.tpr, "TPR, upper 95 % end": found.tpr_interval[1]}
        parts["most isolated rows"] = found.isolated
        parts = {"all rows": found.auc, **{k: v for k, v in parts.items() if not np.isnan(v)}}
        return self.report(found, parts, details)

    def report(self, found: Attack, parts: dict[str, float], details: dict[str, Any]) -> Measurement:
        """The figure that leads."""
        power, note = certified(found.detectable, CERTIFIED_AUC, "an AUC", leaks=found.interval[0] > 0.5)
        details = {**details, "power": power, "tpr": found.tpr, "tpr_interval": found.tpr_interval, "attack": found}
        return Measurement(found.auc, found.interval, parts, note, details)

    def result(self, case: Case) -> tuple[Attack, dict[str, Any]]:
        """What the attack found, and details."""
        near = _neighbourhoods(case)
        scores = _scores(case, self.attack)
        return judge_as(self.attack, scores, near.targets, _far(case)), {"scores": scores}


class MIADistance(_MIA):
    """Membership by the distance to the nearest synthetic row; see :func:`mia_auc`."""

    name = "mia_distance"
    label = "Membership attack: distance"
    attack = "distance"
    reading = "An attacker who goes by distance tells training from holdout rows with AUC {value}"
    definition = (
        "ROC AUC of taking the real rows that lie nearest to a synthetic row for training rows, against equally many "
        "holdout rows (Chen et al. 2020, GAN-Leaks). A weak attack: to pass it is necessary, not sufficient."
    )


class MIADensity(_MIA):
    """Membership by the ratio of densities; see :func:`membership_attacks`."""

    name = "mia_density"
    label = "Membership attack: density ratio"
    attack = "density"
    reading = "An attacker who goes by densities tells training from holdout rows with AUC {value}"
    definition = (
        "ROC AUC of taking the real rows with the greatest ratio of synthetic to reference density for training rows "
        "(van Breugel et al. 2023, DOMIAS; kernels over mixed columns)."
    )


class MIALocal(_MIA):
    """Membership by the neighbourhood; see :func:`membership_attacks`."""

    name = "mia_local"
    label = "Membership attack: neighbourhood"
    attack = "local"
    reading = "An attacker who goes by neighbourhoods tells training from holdout rows with AUC {value}"
    definition = (
        "ROC AUC of taking the real rows that lie nearer to their nearest synthetic than to their nearest reference "
        "rows for training rows (calibrated distance; Ward et al. 2025)."
    )


class MIAClassifier(_MIA):
    """Membership by what looks synthetic; see :func:`membership_attacks`."""

    name = "mia_classifier"
    label = "Membership attack: classifier"
    attack = "classifier"
    reading = "An attacker who trains a classifier tells training from holdout rows with AUC {value}"
    definition = (
        "ROC AUC of taking the real rows that a forest, trained to tell synthetic from reference rows, finds most "
        "synthetic for training rows (after Hayes et al. 2019, LOGAN, black box)."
    )


class Membership(_MIA):
    """The strongest membership attack; see :func:`membership_attacks`."""

    by_tpr: ClassVar[bool] = False
    name = "membership"
    label = "Strongest membership attack"
    reading = "The strongest of the attacks that were tried tells training from holdout rows with AUC {value}"
    definition = (
        "ROC AUC of the strongest of the membership attacks, chosen on one half of the attacked rows and scored on the "
        "other half, so that the number of attacks raises no false alarm."
    )

    def result(self, case: Case) -> tuple[Attack, dict[str, Any]]:
        """All attacks are run; their own AUCs are parts."""
        near = _neighbourhoods(case)
        scores = {name: _scores(case, name) for name in ATTACKS}
        found, chosen = strongest(scores, near.targets, _far(case), by_tpr=self.by_tpr)
        own = {name: judge_as(name, s, near.targets) for name, s in scores.items()}
        figures = {name: attack.tpr if self.by_tpr else attack.auc for name, attack in own.items()}
        return found, {"chosen": chosen, "parts": figures, "attacks": own}


class MembershipTPR(Membership):
    """The members that the strongest attack is sure of; see :func:`membership_attacks`."""

    name = "membership_tpr"
    label = "Members found at 1 % false alarms"
    best = FPR
    by_tpr = True
    least = 2 * NEED
    reading = "At 1 % false alarms, an attacker finds a share of {value} of the training rows"
    definition = (
        "Share of training rows that the strongest of the membership attacks finds while at most 1 % of the holdout "
        "rows are taken for training rows (Carlini et al. 2022), chosen on one half of the attacked rows and scored on "
        "the other. It finds the few who are betrayed where the AUC, a mean over all, does not."
    )

    def report(self, found: Attack, parts: dict[str, float], details: dict[str, Any]) -> Measurement:
        """The TPR; 1 % is what chance finds."""
        smallest = FPR + detectable_rate(FPR, found.members, found.controls)
        leaks = found.tpr_interval[0] > FPR
        power, note = certified(smallest, CERTIFIED_TPR, "a share of members found", leaks=leaks)
        parts = {"all rows": found.tpr, **{name: parts[name] for name in ATTACKS if name in parts}}
        return Measurement(found.tpr, found.tpr_interval, parts, note, {**details, "power": power})
