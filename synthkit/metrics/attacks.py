"""Membership inference: can an attacker who holds the synthetic table tell who was in the training table?

Training rows (*members*) and equally many holdout rows (*controls*) are scored by several attacks, as no single attack
is the strongest everywhere (Ward et al. 2025). Some compare the synthetic rows with *reference* rows of the same law.
Those are holdout rows too, never the controls that they help to score: the attacked rows come in two folds, and the
reference of a fold has no control of that fold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp
from sklearn.ensemble import ExtraTreesClassifier

from synthkit.errors import ParamError, SchemaError
from synthkit.metrics.neighbours import TIE, isolated, nearest, place
from synthkit.metrics.rates import Interval, auc_interval, auc_with_variance, detectable_auc
from synthkit.metrics.surroundings import pick
from synthkit.metrics.tables import Coded, Kinds, code_tables

__all__ = ["ATTACKS", "FPR", "Attack", "Targets", "deep_features", "membership_attacks", "mia_likelihood", "strongest"]

FPR = 0.01
LEAST = 10  # members and controls: below, no AUC has a meaning
_K = 10  # neighbours that density and neighbourhood attacks look at
_SHARED = 0.4  # how the AUCs of two folds go together where each fold is the other's reference (found by simulation)
NEED = round(1 / FPR)  # controls of a fold that a false-positive rate of 1 % needs

Floats = NDArray[np.float64]
Fold = tuple[NDArray[np.bool_], NDArray[np.bool_]]  # of members, of controls


@dataclass(frozen=True)
class Scores:
    """What an attack believes of each row; more is more likely a member. Only rows of one fold are comparable."""

    members: Floats
    controls: Floats


@dataclass(frozen=True)
class Attack:
    """How well an attack did.

    Attributes:
        auc: ROC AUC of telling members from controls; 0.5 is chance.
        interval: its 95 % confidence interval (DeLong et al. 1988).
        variance: of the AUC.
        tpr: share of members found at a false-positive rate of 1 % (Carlini et al. 2022), NaN below 100 controls.
        tpr_interval: its 95 % interval.
        isolated: the AUC among the tenth of the rows that lie farthest from all others, NaN where none stands out.
        members, controls: rows attacked.
        detectable: the smallest AUC that so many rows show with a probability of 80 % (one-sided test at 5 %).
    """

    auc: float
    interval: Interval
    variance: float
    tpr: float
    tpr_interval: Interval
    isolated: float
    members: int
    controls: int
    detectable: float


@dataclass(frozen=True)
class Targets:
    """Members, controls, and what an attacker has.

    Attributes:
        train: fits the space that distances are measured in.
        synthetic, members, controls: rows.
        folds: masks of members and controls, one pair per fold.
        references: reference rows of each fold.
        shared: share of the reference rows that are controls of the other fold.
        trees, trained: size of the classifier attack, and rows of each class that it trains on.
        seed: of the classifier.
        picked: places of members and controls in their tables; lent: of the reference rows of each fold.
    """

    train: Coded
    synthetic: Coded
    members: Coded
    controls: Coded
    folds: tuple[Fold, ...]
    references: tuple[Coded, ...]
    shared: float = 0.0
    trees: int = 60
    trained: int = 20_000
    seed: int = 0
    picked: tuple[NDArray[np.int64], ...] = ()
    lent: tuple[NDArray[np.int64], ...] = ()

    @classmethod
    def of(
        cls, s: Coded, t: Coded, h: Coded, *, seed: int, rows: int, reference: int = 20_000, trees: int = 60
    ) -> Targets:
        """Draw at most ``rows`` members, as many controls, and the references; the draw of :func:`mia_auc`."""
        rng = np.random.default_rng(seed)
        size = min(len(t), len(h), rows)
        at_t, at_h = pick(rng, len(t), size), rng.permutation(len(h))
        rest = at_h[size:]
        half = size // 2
        masks = [np.arange(size) < half, np.arange(size) >= half]
        others = [np.concatenate([at_h[:size][~mask], rest])[:reference] for mask in masks]
        return cls(
            *(t, s, t.take(at_t), h.take(at_h[:size])),
            tuple((mask, mask) for mask in masks),
            tuple(h.take(i) for i in others),
            shared=(size - half) / max(len(others[0]), 1),
            trees=trees,
            trained=reference,
            seed=seed,
            picked=(at_t, at_h[:size]),
            lent=tuple(others),
        )


class Neighbourhoods:
    """Distances of the attacked rows to synthetic, to reference, and to each other; each looked up once."""

    def __init__(self, targets: Targets) -> None:
        self.targets = targets
        tables = (targets.synthetic, targets.members, targets.controls, *targets.references)
        points = place(targets.train, tables)
        self._base, self._members, self._controls, self._references = *points[:3], points[3:]
        self._found: dict[str, tuple[Floats, Floats]] = {}

    @property
    def synthetic(self) -> tuple[Floats, Floats]:
        """Of members and of controls: distances to the nearest synthetic rows, ``(rows, k)``."""
        if "synthetic" not in self._found:
            near = [nearest(p, self._base, _K)[0].distance for p in (self._members, self._controls)]
            self._found["synthetic"] = (near[0].astype(np.float64), near[1].astype(np.float64))
        return self._found["synthetic"]

    @property
    def reference(self) -> tuple[Floats, Floats]:
        """The same to the reference rows of each row's fold."""
        if "reference" not in self._found:
            out = [np.full((len(p), _K), np.inf) for p in (self._members, self._controls)]
            for masks, base in zip(self.targets.folds, self._references, strict=True):
                for side, mask, points in zip(out, masks, (self._members, self._controls), strict=True):
                    at = np.flatnonzero(mask)
                    side[at] = nearest(points.take(at), base, _K)[0].distance
            self._found["reference"] = (out[0], out[1])
        return self._found["reference"]

    def far(self) -> Fold:
        """The members and controls that lie farthest from all other attacked rows (to the third nearest)."""
        both = place(self.targets.train, (Coded.concat([self.targets.members, self.targets.controls]),))[0]
        far = isolated(nearest(both, both, 4)[0].distance[:, 3])  # the first is the row itself
        return far[: len(self.targets.members)], far[len(self.targets.members) :]


def _distance(near: Neighbourhoods) -> Scores:
    """Close to the nearest synthetic row (Chen et al. 2020)."""
    return Scores(*(-np.round(d[:, 0] / TIE) for d in near.synthetic))


def _density(near: Neighbourhoods) -> Scores:
    """Synthetic by reference density (van Breugel et al. 2023, DOMIAS), by Laplace kernels.

    Their width is the likeliest one at each row: its mean distance to reference rows, by the number of columns.
    DEVIATION: of the kernel sums only the ten nearest rows are kept, so that no sum over all pairs is needed; what is
    left out is far away from every row.
    """
    out, columns = [], len(near.targets.train.num) + len(near.targets.train.cat)
    for to_synthetic, to_reference in zip(near.synthetic, near.reference, strict=True):
        known = np.isfinite(to_reference)
        width = np.where(known, to_reference, 0).sum(1) / np.maximum(known.sum(1), 1)
        width = np.maximum(width / columns, 1e-3)[:, None]
        out.append(_rounded(logsumexp(-to_synthetic / width, axis=1) - logsumexp(-to_reference / width, axis=1)))
    return Scores(*out)


def _local(near: Neighbourhoods) -> Scores:
    """Closer to its three nearest synthetic than to its three nearest reference rows, on the log scale."""
    out = []
    for to_synthetic, to_reference in zip(near.synthetic, near.reference, strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):  # a base of fewer rows
            ratio = np.log((np.maximum(to_reference, 0) + TIE) / (np.maximum(to_synthetic, 0) + TIE))[:, :3]
        out.append(_rounded(np.where(np.isfinite(ratio), ratio, 0).sum(axis=1)))
    return Scores(*out)


def _rounded(scores: Floats) -> Floats:
    return np.round(scores, 4)  # equal distances give equal scores


def _classifier(near: Neighbourhoods) -> Scores:
    """Deep random trees (Geurts et al. 2006) tell synthetic from reference rows; what looks synthetic is a member.

    Full depth and no bootstrap, so that the trees know each training row by heart, as the attacker wants.
    """
    t = near.targets
    members, controls = np.zeros(len(t.members)), np.zeros(len(t.controls))
    synthetic = t.synthetic.take(pick(np.random.default_rng([t.seed, 1]), len(t.synthetic), t.trained))
    for (in_m, in_c), reference in zip(t.folds, t.references, strict=True):
        x = np.concatenate([deep_features(synthetic), deep_features(reference)])
        y = np.repeat([1, 0], [len(synthetic), len(reference)])
        forest = ExtraTreesClassifier(t.trees, class_weight="balanced", random_state=t.seed).fit(x, y)
        for out, mask, table in ((members, in_m, t.members), (controls, in_c, t.controls)):
            at = np.flatnonzero(mask)
            out[at] = forest.predict_proba(deep_features(table.take(at)))[:, list(forest.classes_).index(1)]
    return Scores(members, controls)


def deep_features(table: Coded) -> NDArray[np.float32]:
    """``(rows, columns)`` for trees of full depth; nulls lie below everything else."""
    return (
        np.concatenate([np.where(np.isnan(table.numbers), -1e30, table.numbers), table.codes], axis=1)
        .clip(-1e30, 1e30)
        .astype(np.float32)
    )


ATTACKS: dict[str, Callable[[Neighbourhoods], Scores]] = {
    "distance": _distance,
    "density": _density,
    "local": _local,
    "classifier": _classifier,
}


def judge(
    scores: Scores, folds: Sequence[Fold], far: Fold | None = None, *, shared: float = 0.0, seed: int = 0
) -> Attack:
    """AUC and TPR of the scores: the mean over folds. ``shared``: see :class:`Targets`."""
    rng = np.random.default_rng([seed, 2])
    sides = [(scores.members[m], scores.controls[c]) for m, c in folds]
    aucs = np.array([auc_with_variance(m, c) for m, c in sides])
    auc, variance = float(aucs[:, 0].mean()), float(aucs[:, 1].sum()) / len(sides) ** 2
    variance *= 1 + _SHARED * shared if len(sides) > 1 else 1
    tpr, tpr_interval = _true_positives(sides, rng)
    outer = float("nan")
    if far is not None:
        apart = [(scores.members[m & far[0]], scores.controls[c & far[1]]) for m, c in folds]
        if all(min(len(m), len(c)) >= LEAST for m, c in apart):
            outer = float(np.mean([auc_with_variance(m, c)[0] for m, c in apart]))
    m, n = len(scores.members), len(scores.controls)
    return Attack(auc, auc_interval(auc, variance), variance, tpr, tpr_interval, outer, m, n, detectable_auc(m, n))


def _true_positives(sides: Sequence[tuple[Floats, Floats]], rng: np.random.Generator) -> tuple[float, Interval]:
    """The TPR at a false-positive rate of at most 1 %; its bootstrap interval draws members and threshold anew."""
    if min(len(c) for _, c in sides) < NEED or not min(len(m) for m, _ in sides):
        return float("nan"), (float("nan"), float("nan"))
    draws, rates = np.zeros(1000), []
    for members, controls in sides:
        ranked, sorted_members = np.sort(controls)[::-1], np.sort(members)
        allowed = int(FPR * len(controls))

        def found(at: NDArray[np.int64], top: Floats = ranked, inside: Floats = sorted_members) -> Floats:
            return 1 - np.searchsorted(inside, top[at], side="right") / len(inside)

        rates.append(_found_at(members, controls))
        # the threshold of a bootstrap sample is an order statistic, whose place has a beta law
        at = (rng.beta(allowed + 1, len(controls) - allowed, 1000) * len(controls)).astype(np.int64)
        draws += rng.binomial(len(members), found(np.minimum(at, len(controls) - 1))) / len(members)
    low, high = np.quantile(draws / len(sides), [0.025, 0.975])
    tpr = float(np.mean(rates))
    # with no member found the bootstrap sees no spread: the rule of three
    return tpr, (min(float(low), tpr), max(float(high), tpr, 3 / sum(len(m) for m, _ in sides)))


def strongest(
    scores: Mapping[str, Scores], targets: Targets, far: Fold | None, *, by_tpr: bool = False
) -> tuple[Attack, list[str]]:
    """The strongest of several attacks, without the luck of a maximum.

    It is chosen by its AUC (or TPR) on one fold and scored on the other, and the other way round; so the AUC of a
    harmless table is 0.5, however many attacks there are.
    """
    folds, chosen = targets.folds, []
    members, controls = np.zeros(len(targets.members)), np.zeros(len(targets.controls))
    for (m, c), (other_m, other_c) in zip(folds, folds[::-1], strict=True):
        known = {name: (s.members[other_m], s.controls[other_c]) for name, s in scores.items()}
        power = {name: _found_at(*sides) if by_tpr else auc_with_variance(*sides)[0] for name, sides in known.items()}
        best = max(power, key=lambda name, by=power: by[name])  # type: ignore[misc]
        chosen.append(best)
        members[m], controls[c] = scores[best].members[m], scores[best].controls[c]
    return judge(Scores(members, controls), folds, far, shared=targets.shared, seed=targets.seed), chosen


def _found_at(members: Floats, controls: Floats) -> float:
    """The TPR at a false-positive rate of at most 1 %."""
    return float((members > np.sort(controls)[::-1][int(FPR * len(controls))]).mean())


def run_attacks(targets: Targets, attacks: Sequence[str]) -> tuple[dict[str, Scores], Fold]:
    """The scores of each attack, and which rows are isolated."""
    near = Neighbourhoods(targets)
    return {name: ATTACKS[name](near) for name in attacks}, near.far()


def membership_attacks(
    synthetic: pd.DataFrame,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    *,
    kinds: Kinds | None = None,
    attacks: Sequence[str] = tuple(ATTACKS),
    rows: int = 5000,
    seed: int = 0,
) -> dict[str, Attack]:
    """Attack training rows against holdout rows in several ways, and find the strongest.

    ``distance``: close to a synthetic row (Chen et al. 2020, GAN-Leaks). ``density``: synthetic by reference density
    (van Breugel et al. 2023, DOMIAS). ``local``: closer to the nearest synthetic than to the nearest reference rows.
    ``classifier``: looks synthetic to a model that tells synthetic from reference rows. ``strongest``: of these, chosen
    on one half of the attacked rows and scored on the other.

    Args:
        synthetic, train, holdout: the tables; ``holdout`` gives both the controls and the reference rows. Where persons
            have several rows, pass one row of each in both: reference rows of a control's own person make the control
            look less like a member, and so the AUC too high.
        kinds: the columns to use and what they are; by default read from the dtypes of ``synthetic``.
        attacks: the attacks to run.
        rows: rows attacked at most, on each side.
        seed: of the draws and the classifier.

    Raises:
        ParamError: an attack is unknown, or none is named.
        SchemaError: fewer than 20 training or holdout rows, or no synthetic row.

    >>> rng = np.random.default_rng(0)
    >>> train, holdout = (pd.DataFrame(rng.normal(size=(200, 3)), columns=list("abc")) for _ in range(2))
    >>> found = membership_attacks(train, train, holdout, attacks=("distance", "local"))
    >>> found["strongest"].auc
    1.0
    """
    unknown = [name for name in attacks if name not in ATTACKS]
    if unknown or not attacks:
        raise ParamError(
            f"membership_attacks: argument 'attacks' takes some of {tuple(ATTACKS)}, got {tuple(attacks)}."
        )
    s, t, h = code_tables(synthetic, train, holdout, kinds=kinds)
    if min(len(t), len(h)) < 2 * LEAST or not len(s):
        raise SchemaError(f"membership_attacks: needs {2 * LEAST} training and holdout rows, and a synthetic one.")
    targets = Targets.of(s, t, h, seed=seed, rows=rows)
    scores, far = run_attacks(targets, attacks)
    found = {name: judge_as(name, one, targets, far) for name, one in scores.items()}
    return {**found, "strongest": strongest(scores, targets, far)[0]}


def judge_as(name: str, scores: Scores, targets: Targets, far: Fold | None = None) -> Attack:
    """Judge an attack. That by distance has no reference, so that all its rows are comparable: one fold."""
    everyone = (np.ones(len(targets.members), np.bool_), np.ones(len(targets.controls), np.bool_))
    folds = [everyone] if name == "distance" else targets.folds
    return judge(scores, folds, far, shared=targets.shared, seed=targets.seed)


def mia_likelihood(members: ArrayLike, controls: ArrayLike, *, seed: int = 0) -> Attack:
    """The attack of whoever holds the model: rows that it finds likelier are taken for members (Yeom et al. 2018).

    Args:
        members: ``(rows,)`` log-likelihoods of training rows, or any other score that is higher for members (the
            log-likelihood less that of a reference model is a stronger one).
        controls: ``(rows,)`` the same of rows that the model was not trained on.
        seed: of the bootstrap interval of the TPR.

    Raises:
        ParamError: an array is not one-dimensional, is empty, or holds NaN.

    >>> mia_likelihood([-1.0, -2.0, -1.5], [-5.0, -4.0, -6.0]).auc
    1.0
    """
    arrays = []
    for name, values in (("members", members), ("controls", controls)):
        array = np.asarray(values, np.float64)
        if array.ndim != 1 or not len(array) or np.isnan(array).any():
            raise ParamError(f"mia_likelihood: argument {name!r} must be a list of numbers without NaN, one per row.")
        arrays.append(array)
    everyone = (np.ones(len(arrays[0]), np.bool_), np.ones(len(arrays[1]), np.bool_))
    return judge(Scores(*arrays), [everyone], seed=seed)
