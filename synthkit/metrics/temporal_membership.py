"""Records over time: who was learnt from, and what is secret of an entity? Entities are attacked, not records.

An attacker who looks for a person knows all of the person's records. Whole entities are therefore the members, the
controls and the reference, and there is one score for each; records of one entity never count as independent.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.metrics.attacks import ATTACKS, LEAST, Neighbourhoods, Scores, Targets, judge_as, strongest
from synthkit.metrics.base import Measurement
from synthkit.metrics.copies import row_hashes
from synthkit.metrics.disclosure import inferred, judged_secrets
from synthkit.metrics.neighbours import TIE, nearest, place
from synthkit.metrics.rates import CERTIFIED_AUC, Attempts, certified
from synthkit.metrics.tables import Coded
from synthkit.metrics.temporal import scored
from synthkit.metrics.temporal_panel import Panel, check_pair
from synthkit.metrics.temporal_summary import summaries

__all__ = ["entity_inference", "entity_membership"]

Floats = NDArray[np.float64]
_ENTITIES = (1000, 5000)  # attacked on each side: quick, else
_RECORDS = (4000, 15_000)  # of each table, for the attack by records
_TREES = (20, 40)


def entity_membership(
    real: Panel, synthetic: Panel, holdout: Panel, *, seed: int = 0, quick: bool = False
) -> Measurement:
    """The strongest membership attack on whole entities: ROC AUC, 0.5 is best.

    Of summaries (:func:`~synthkit.metrics.temporal_summary.summaries`, as normal scores): by distance, density ratio,
    neighbourhood and classifier, as in :func:`synthkit.metrics.membership_attacks`. Of records: ``records``, mean over
    an entity's records of how much nearer a synthetic record is than one of reference entities; ``exact``, share of its
    records that synthetic entities have, beyond reference ones. The strongest is chosen on one half of the entities and
    scored on the other. Parts: every attack, the share of members found at 1 % false alarms and its upper end, isolated
    entities.
    """
    check_pair("entity_membership", real, synthetic, holdout)
    if min(len(real), len(holdout)) < 2 * LEAST or not len(synthetic):
        return Measurement.nothing(f"fewer than {2 * LEAST} entities")
    tables = [summaries(t) for t in (synthetic, real, holdout)]
    law = Coded.concat(tables[1:])  # of both sides, so that neither is favoured by the scale
    s, t, h = (scored(law, table) for table in tables)
    rows, trees = _ENTITIES[not quick], _TREES[not quick]
    targets = Targets.of(s, t, h, seed=seed, rows=rows, reference=rows, trees=trees)
    near = Neighbourhoods(targets)
    scores = {name: attack(near) for name, attack in ATTACKS.items()}
    scores |= _by_records(targets, real, synthetic, holdout, _RECORDS[not quick])
    far = near.far()
    found, chosen = strongest(scores, targets, far)
    own = {name: judge_as(name, one, targets) for name, one in scores.items()}
    parts = {"all entities": found.auc, **{name: attack.auc for name, attack in own.items()}}
    parts |= {"TPR at 1 % FPR": found.tpr, "TPR, upper 95 % end": found.tpr_interval[1]}
    parts["most isolated entities"] = found.isolated
    power, note = certified(found.detectable, CERTIFIED_AUC, "an AUC", leaks=found.interval[0] > 0.5)
    details: dict[str, Any] = {"power": power, "attack": found, "attacks": own, "chosen": chosen}
    details |= {"tpr": found.tpr, "tpr_interval": found.tpr_interval}
    return Measurement(found.auc, found.interval, {k: v for k, v in parts.items() if not np.isnan(v)}, note, details)


def _by_records(targets: Targets, real: Panel, synthetic: Panel, holdout: Panel, most: int) -> dict[str, Scores]:
    """Scores of an entity from its records, ``records`` and ``exact``."""
    members, controls = (p.take(at) for p, at in zip((real, holdout), targets.picked, strict=True))
    near = [np.zeros(len(members)), np.zeros(len(controls))]
    exact = [np.zeros(len(members)), np.zeros(len(controls))]
    base = _few(synthetic, most, targets.seed)
    whole = row_hashes(synthetic.coded)[0][0]
    for masks, at in zip(targets.folds, targets.lent, strict=True):
        lent = holdout.take(at)
        known = row_hashes(lent.coded)[0][0]
        reference = _few(lent, most, targets.seed)
        for out, same, panel, mask in zip(near, exact, (members, controls), masks, strict=True):
            chosen = np.flatnonzero(mask)
            attacked = panel.take(chosen)
            hashes = row_hashes(attacked.coded)[0][0]
            share = [attacked.total(np.isin(hashes, x).astype(np.float64)) / attacked.lengths for x in (whole, known)]
            same[chosen] = np.round(share[0] - share[1], 6)
            out[chosen] = _nearer(targets.seed, real.coded, attacked, base, reference, most)
    return {"records": Scores(*near), "exact": Scores(*exact)}


def _few(panel: Panel, most: int, seed: int) -> Coded:
    """The records of whole entities, at most so many."""
    order = np.random.default_rng([seed, 9]).permutation(len(panel))
    fits = order[np.cumsum(panel.lengths[order]) <= most]
    return panel.take(np.sort(fits if len(fits) else order[:1])).coded


def _nearer(seed: int, law: Coded, attacked: Panel, base: Coded, reference: Coded, most: int) -> Floats:
    """``(entities,)`` means over records, of at most ``most`` records in all, drawn in turn from each entity."""
    each = max(most // len(attacked), 1)
    rank = np.random.default_rng([seed, 10]).random(attacked.rows)
    order = np.lexsort((rank, attacked.owner))
    kept = np.sort(order[attacked.position < each])  # the first of every entity in a random order of its records
    points, synthetic, known = place(law, (attacked.coded.take(kept), base, reference))
    near, far = (nearest(points, x, 1)[0].distance[:, 0].astype(np.float64) for x in (synthetic, known))
    owner = attacked.owner[kept]
    ratio = np.log((far + TIE) / (near + TIE))
    mean: Floats = np.bincount(owner, ratio, len(attacked)) / np.bincount(owner, minlength=len(attacked))
    return np.round(mean, 4)


def entity_inference(
    real: Panel,
    synthetic: Panel,
    holdout: Panel,
    *,
    secrets: Sequence[Hashable] = (),
    seed: int = 0,
    quick: bool = False,
) -> Measurement:
    """How much oftener a secret is guessed right for training than for holdout entities, as a share of the possible.

    The attacks of :func:`synthkit.metrics.attribute_inference`, one attempt for each entity, as records of one do not
    count as independent. A secret that is constant within entities is guessed from summaries of all their other
    columns, one that varies from the other columns of one record, drawn by the seed, and from all synthetic records.
    The secret and attacker with the clearest success, chosen on one half and measured on the other.
    """
    check_pair("entity_inference", real, synthetic, holdout)
    if min(len(real), len(holdout), len(synthetic)) < 2 * LEAST:
        return Measurement.nothing(f"fewer than {2 * LEAST} entities")
    found: dict[tuple[Hashable, str], Attempts] = {}
    how = {"seed": seed, "rows": _ENTITIES[not quick], "trees": _TREES[not quick], "trained": _RECORDS[not quick]}
    for secret in secrets:
        if secret in real.context:
            s, t, h = (_with(p, secret) for p in (synthetic, real, holdout))
        elif secret in real.kinds:
            s = _few(synthetic, how["trained"], seed)
            t, h = (_one_each(p, seed) for p in (real, holdout))
        else:
            continue
        if len(t.num) + len(t.cat) > 1:
            found |= inferred(s, t, h, [secret], **how)
    if not found:
        return Measurement.nothing(
            "the secrets are not among the columns that count, or are null in nearly all records"
        )
    return judged_secrets(found)


def _with(panel: Panel, secret: Hashable) -> Coded:
    """Summaries without the secret, and the secret itself."""
    known, own = summaries(panel, without=[secret]), panel.static.only([secret])
    numbers, codes = np.hstack([known.numbers, own.numbers]), np.hstack([known.codes, own.codes])
    return Coded(numbers, codes, known.sizes + own.sizes, known.num + own.num, known.cat + own.cat)


def _one_each(panel: Panel, seed: int) -> Coded:
    """One record of each entity."""
    at = np.random.default_rng([seed, 12]).random(len(panel)) * panel.lengths
    return panel.coded.take(panel.starts + at.astype(np.int64))
