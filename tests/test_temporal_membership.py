"""Attacks on entities: planted culprits are found, fresh entities pass, records of one are not independent."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from synthkit.errors import ParamError
from synthkit.metrics import panels, score_panel
from synthkit.metrics.temporal_membership import entity_inference, entity_membership
from synthkit.testing.panels import draw_panel

KEYS = {"entity": "who", "time": "when"}
ATTACKS = {"distance", "density", "local", "classifier", "records", "exact"}


@cache
def tables() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Training, fresh, and holdout patients."""
    return draw_panel(250, 0), draw_panel(250, 1), draw_panel(250, 2)


def made(synthetic: pd.DataFrame):
    real, _, holdout = tables()
    return panels(real, synthetic, holdout, **KEYS)


def copied(share: float) -> pd.DataFrame:
    """That share of the training entities under new names, and fresh ones."""
    real, fresh, _ = tables()
    names, others = real["who"].unique()[: round(share * 250)], fresh["who"].unique()
    copies = real[real["who"].isin(names)].assign(who=lambda t: "copy of " + t["who"])
    return pd.concat([copies, fresh[fresh["who"].isin(others[len(names) :])]], ignore_index=True)


def test_a_copier_of_entities_is_found_by_every_attack_and_fresh_entities_by_none():
    copy = entity_membership(*made(copied(1.0)), quick=True)
    fresh = entity_membership(*made(copied(0.0)), quick=True)
    assert set(copy.parts) >= ATTACKS
    for name in ("all entities", *ATTACKS):
        assert copy.parts[name] > 0.8 > 0.6 > fresh.parts[name], name
    assert copy.interval[0] > 0.8 and fresh.interval[0] < 0.5 < fresh.interval[1]
    assert copy.details["tpr"] > 0.5 > 0.05 > fresh.details["tpr"]


def test_a_few_copied_entities_are_found():
    found = entity_membership(*made(copied(0.15)), quick=True)
    assert found.interval[0] > 0.5 and found.details["tpr_interval"][0] > 0.02


def test_records_that_wander_between_entities_are_found_by_records_only():
    """Training records, dealt to other entities: nobody is copied, and yet every record is."""
    real = tables()[0]
    order = np.random.default_rng(0).permutation(len(real))
    moved = real.assign(**{n: real[n].to_numpy()[order] for n in ("x", "y", "state", "arm", "died")})
    found = entity_membership(*made(moved.assign(who="m" + moved["who"])), quick=True)
    assert found.parts["exact"] > 0.9 and found.interval[0] > 0.8
    assert max(found.parts[n] for n in ("distance", "density")) < 0.75


def test_the_interval_covers_chance_for_fresh_entities():
    covered = []
    for seed in range(8):
        three = panels(*(draw_panel(60, 700 + 3 * seed + i, rows=3) for i in range(3)), **KEYS)
        found = entity_membership(*three, seed=seed, quick=True)
        covered.append(found.interval[0] <= 0.5 <= found.interval[1])
    assert np.mean(covered) >= 0.75


def test_a_secret_is_learnt_from_copies_and_not_from_fresh_entities():
    real, fresh, holdout = tables()
    rng = np.random.default_rng(1)
    tagged = []
    for table in (real, fresh, holdout):  # one secret of the entity, one of the record; both are noise
        who = pd.factorize(table["who"])[0]
        secret = rng.choice(["yes", "no"], who.max() + 1)[who]
        tagged.append(table.assign(secret=secret, said=rng.choice(["yes", "no"], len(table))))
    for synthetic, low, high in ((tagged[0], 0.3, 1.01), (tagged[1], -0.5, 0.25)):
        three = panels(tagged[0], synthetic.assign(who="s" + synthetic["who"]), tagged[2], **KEYS)
        for secret in ("secret", "said"):
            found = entity_inference(*three, secrets=[secret], quick=True)
            assert low < found.value < high, secret
            assert (found.interval[0] > 0.1) == (low > 0)
            risk = found.details["risk"]
            assert risk.n_train == risk.n_control == 250  # one attempt an entity, however many records


def test_a_secret_has_to_be_a_column():
    real, fresh, holdout = tables()
    with pytest.raises(ParamError, match="'secrets': 'salary'"):
        score_panel(real, fresh, holdout=holdout, secrets=["salary"], metrics=["entity_inference"], **KEYS)
    few = [t[t["who"].isin(t["who"].unique()[:10])] for t in tables()]
    assert np.isnan(entity_membership(*panels(*few, **KEYS)).value)
