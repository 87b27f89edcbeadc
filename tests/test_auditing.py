"""The audits find planted culprits, and let what is harmless pass."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from sklearn.metrics import roc_auc_score

from synthkit import SequenceSynthesizer, TabularSynthesizer, audit, canaries, file_attack
from synthkit.auditing import clopper_pearson, one_run_epsilon
from synthkit.auditing.fits import Subject
from synthkit.auditing.planting import make_canaries, planted_table
from synthkit.auditing.ratio import belief
from synthkit.errors import ParamError, SchemaError, SynthkitWarning
from synthkit.models import SequentialTrees

Table = pd.DataFrame


class Copier:
    """A culprit: it draws the very rows that it was given."""

    def fit(self, table: Table) -> Copier:
        self.table = table
        return self

    def sample(self, n: int, seed: int) -> Table:
        return self.table.sample(n, replace=True, random_state=seed).reset_index(drop=True)


class Law:
    """Harmless: it draws from the law behind the table, and looks at no row."""

    def fit(self, table: Table) -> Law:
        return self

    def sample(self, n: int, seed: int) -> Table:
        return draw(n, seed + 10_000)


def draw(rows: int, seed: int) -> Table:
    """Numbers and categories that depend on each other; few ties."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    return pd.DataFrame(
        {
            "x": x.round(2),
            "y": (x + rng.normal(size=rows)).round(2),
            "g": np.where(x + rng.normal(size=rows) > 0, "high", "low"),
            **{name: rng.integers(0, 6, rows).astype(str) for name in "abc"},
        }
    )


def grid(rows: int, seed: int) -> Table:
    """Few values, so that nearly all distances tie."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({name: rng.integers(0, 3, rows).astype(str) for name in "abcdefghij"})


TABLE = draw(400, 0)


# -------------------------------------------------------------------- bounds
def test_the_exact_interval_keeps_its_level():
    for rate in (0.01, 0.3):
        held = sum(
            binom.pmf(k, 60, rate) for k in range(61) if clopper_pearson(k, 60)[0] <= rate <= clopper_pearson(k, 60)[1]
        )
        assert held >= 0.95


def test_the_bound_of_epsilon_holds_for_randomised_response():
    """Each canary's coin is told with probability e^eps / (1 + e^eps), which is exactly eps-private."""
    for eps in (0.5, 2.0):
        rng = np.random.default_rng(1)
        found = []
        for _ in range(200):
            coins = rng.random(200) < 0.5
            told = coins ^ (rng.random(200) < 1 / (1 + math.exp(eps)))
            found.append(one_run_epsilon(told.astype(float), coins))
        assert np.mean(np.array(found) > eps) < 0.1  # 5 % of 200 runs, and the noise of that
        assert np.median(found) > eps / 2 - 0.15


def test_a_sure_attacker_proves_what_so_many_canaries_can():
    coins = np.arange(200) % 2 == 0
    assert 3 < one_run_epsilon(coins.astype(float), coins) < 5
    with pytest.raises(ParamError, match="equally long"):
        one_run_epsilon([1.0], coins)


# -------------------------------------------------------------------- canaries
def test_canaries_of_a_copier_come_back():
    found = canaries(TABLE, synthesizer=Copier(), times=2)
    assert found.planted + found.withheld == 40 and found.returned_withheld == 0
    assert found.returned > 0.8 * found.planted and found.interval[0] > 0.5
    assert found.rows.interval[0] > 0.7 and found.epsilon > 0.5 and found.model is None
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["model"] == "not tested" and "came back" in str(found)
    assert found.by_repeats["planted"].sum() == found.planted


@pytest.mark.parametrize("synthesizer", [Law(), TabularSynthesizer("independent", random_state=0)])
def test_canaries_of_what_is_harmless_do_not(synthesizer):
    found = canaries(TABLE, synthesizer=synthesizer, random_state=1)
    assert found.beyond == 0 and found.rows.interval[0] < 0.5 and found.epsilon < 0.5


def test_a_canary_is_common_cell_by_cell_new_as_a_row_and_keeps_rules():
    class Seen(Copier):
        def fit(self, table: Table) -> Seen:
            seen.append(table)
            return super().fit(table)  # type: ignore[return-value]

    seen: list[Table] = []
    table = TABLE.assign(low=np.arange(400) % 7, whose=np.arange(400) % 100)
    table["high"] = table["low"] + np.arange(400) % 5
    before = table.copy()
    canaries(table, synthesizer=Seen(), repeats=[3], random_state=2)
    pd.testing.assert_frame_equal(table, before)
    (fitted,) = seen
    counts = fitted.value_counts(dropna=False)
    old = set(map(tuple, table[fitted.columns].to_numpy()))
    planted = [row for row in counts.index if row not in old]
    assert planted and all(counts[row] == 3 for row in planted)
    made = pd.DataFrame(planted, columns=counts.index.names)
    assert (made["low"] <= made["high"]).all()
    for name in "abcg":
        assert made[name].isin(table[name].value_counts()[lambda n: n >= 20].index).all()


def test_what_cannot_be_audited_is_told():
    with pytest.raises(SchemaError, match="at least 100 rows"):
        canaries(TABLE.head(50))
    with pytest.raises(ParamError, match="'count'"):
        canaries(TABLE, count=3)
    with pytest.raises(ParamError, match="needs the methods"):
        canaries(TABLE, synthesizer="auto")
    with pytest.raises(ParamError, match="records over time"):
        canaries(TABLE, synthesizer=SequenceSynthesizer(entity="a", time=None))
    with pytest.raises(SchemaError, match="new to the table"):
        canaries(pd.concat([grid(300, 0)[["a", "b"]]] * 2), count=60)


@pytest.mark.parametrize("names", [[f"p{i}" for i in range(400)], list(range(400))])
def test_canaries_are_entities_of_their_own_with_a_common_weight(names):
    table = TABLE.assign(who=names, w=1.5, id=[f"key-{i}" for i in range(400)], day=pd.Timestamp("2024-01-01"))
    table["day"] += pd.to_timedelta(np.arange(400) % 50, "D")
    table.loc[::9, "y"] = None
    found = canaries(table, synthesizer=TabularSynthesizer("independent", entity="who", weight="w"))
    assert found.planted + found.withheld == 40 and found.model is not None and found.returned == 0


# -------------------------------------------------------------------- the file
def test_a_shared_model_tells_more_than_rows_drawn_from_it(tmp_path):
    """Trees that learn 250 rows by heart, read from their file."""
    known = TabularSynthesizer(SequentialTrees(leaf=1, prior=0.01, trees=5, blur=0.0), random_state=0, protect=None)
    known.fit(draw(250, 1)).save(tmp_path / "model.synthkit")
    found = file_attack(tmp_path / "model.synthkit", draw(250, 1), draw(250, 2))
    assert found.unit == "rows" and found.model.interval[0] > 0.6 and found.share_model is False
    assert found.model.auc > found.rows.auc
    assert found.attacks["calibrated"].auc > found.attacks["likelihood"].auc - 0.05
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["below_the_bars"]["model"] is False and "do not share" in str(found)


def test_a_model_that_saw_other_rows_tells_nothing():
    apart = TabularSynthesizer("independent", random_state=0).fit(draw(3000, 3))
    found = file_attack(apart, draw(300, 1), draw(300, 2))
    assert found.model.interval[0] < 0.5 < found.model.interval[1] + 0.02


def test_columns_that_a_model_does_not_learn_are_no_obstacle():
    def table(seed: int, same: str | list[str]) -> Table:
        return draw(300, seed).assign(key=[f"{seed}-{i}" for i in range(300)], gone=np.nan, same=same)

    train, other = table(1, "no"), table(2, ["yes", "no", "no"] * 100)
    fitted = TabularSynthesizer("independent", random_state=0).fit(train)
    found = file_attack(fitted, train, other)
    assert found.model.interval[0] < 0.5 < found.model.interval[1]
    plain = [t.drop(columns=["key", "gone", "same"]) for t in (train, other)]
    alone = file_attack(TabularSynthesizer("independent", random_state=0).fit(plain[0]), *plain)
    assert found.attacks["likelihood"].auc == pytest.approx(alone.attacks["likelihood"].auc, abs=0.02)


@pytest.mark.parametrize("model", [TabularSynthesizer("copula", random_state=0), Copier()])
def test_a_model_without_likelihood_is_not_tested(model):
    found = file_attack(model.fit(TABLE), TABLE, draw(200, 5))
    assert found.model is None and found.share_model is None and found.to_dict()["model"] == "not tested"


@pytest.mark.parametrize("keys", [pd.Categorical([f"p{i // 2}" for i in range(200)]), np.arange(200) % 120])
def test_canaries_are_entities_that_the_table_has_not(keys):
    table = draw(200, 1).assign(who=keys)
    table = table if table["who"].dtype == "category" else table.astype({"who": "int8"})
    subject = Subject("canaries", table, TabularSynthesizer("independent", entity="who"))
    made = make_canaries(subject, 60, 20, np.random.default_rng(0))
    out = planted_table(subject, made, np.ones(60, np.int64), np.random.default_rng(0))
    assert out["who"].notna().all() and len(set(out["who"]) - set(table["who"])) == 60


def test_rows_of_an_entity_are_judged_together():
    def visits(seed: int) -> Table:
        return draw(240, seed).assign(who=np.repeat(np.arange(80), 3) + 1000 * seed)

    fitted = TabularSynthesizer("independent", entity="who", random_state=0).fit(visits(1))
    found = file_attack(fitted, visits(1), visits(2))
    assert found.unit == "entities" and found.model.members == found.model.controls == 80
    with pytest.raises(SchemaError, match="are in 'train', too"):
        file_attack(fitted, visits(1), visits(1))
    with pytest.raises(SchemaError, match="needs 40 entities"):
        file_attack(fitted, visits(1), visits(2).head(60))


# -------------------------------------------------------------------- shadow models
SMALL = draw(200, 6)


def test_the_ratio_is_the_one_of_the_known_law_and_knows_nothing_of_noise():
    """Two features with a common correlation and effects of their own: the best AUC is that of the true ratio."""
    rng = np.random.default_rng(0)
    learnt = rng.permuted(np.tile(np.arange(300) < 150, (40, 1)), axis=1)
    effect = np.abs(rng.normal(0.6, 0.3, (300, 1))) * np.array([1.0, 0.0])
    noise = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], (40, 300))
    own = rng.normal(0, 5, (300, 2))
    found = belief(own + noise + learnt[..., None] * effect, learnt)
    auc = roc_auc_score(learnt.ravel(), found.ravel())
    best = roc_auc_score(learnt.ravel(), (effect[:, 0] * (noise @ [1, -0.8] + learnt * effect[:, 0])).ravel())
    assert best > 0.7 and best - 0.03 < auc < best + 0.01
    for models in (6, 40):
        nothing = belief((own + noise)[:models], learnt[:models])
        assert abs(roc_auc_score(learnt[:models].ravel(), nothing.ravel()) - 0.5) < 0.025


@pytest.mark.parametrize("rows", [draw, grid])
def test_an_audit_of_the_law_itself_finds_nothing(rows):
    class Other(Law):
        def sample(self, n: int, seed: int) -> Table:
            return rows(n, seed + 10_000)

    found = audit(rows(200, 6), synthesizer=Other(), refits=8, secrets=["a"])
    assert found.rows.interval[0] < 0.505 and found.rows.auc < 0.53 and found.rows.tpr < 0.03
    assert found.model is None and found.share_model is None
    assert found.secrets["a"]["interval"][0] < 0.01


def test_an_audit_finds_a_copier_and_who_is_at_risk():
    found = audit(SMALL, synthesizer=Copier(), refits=8, secrets=["g", "y"])
    assert found.rows.interval[0] > 0.75 and found.rows.tpr > 0.3 and not found.share_rows
    assert found.secrets["g"]["interval"][0] > 0.05 and found.secrets["y"]["interval"][0] > 0.2
    assert found.features["copies"] > 0.75
    told = json.dumps(found.to_dict(), allow_nan=False)
    assert "do not share" in str(found) and "records" not in told
    assert sorted(found.records.index) == sorted(SMALL.index) and found.records["rows"].dropna().is_monotonic_decreasing


def test_an_audit_finds_the_few_who_are_copied():
    """One row in a hundred is handed on: no AUC shows it, the members found at few false alarms do."""

    class Few(Law):
        def fit(self, table: Table) -> Few:
            self.table = table
            return self

        def sample(self, n: int, seed: int) -> Table:
            return pd.concat([self.table[self.table["k"]], super().sample(n, seed).assign(k=False)], ignore_index=True)

    few = SMALL.assign(k=np.arange(200) % 50 == 0)
    found = audit(few, synthesizer=Few(), refits=8, targets=few["k"].to_numpy())
    everybody = audit(few, synthesizer=Few(), refits=8)
    assert found.judged == 4 and found.rows.auc > 0.9
    assert everybody.rows.tpr_interval[1] > 0.02 and set(everybody.records.index[:4]) == {0, 50, 100, 150}


def test_an_audit_by_entity_of_a_model_with_likelihoods_repeats_itself():
    table = SMALL.assign(who=np.arange(200) // 2)
    before, state = table.copy(), np.random.get_state()[1].copy()  # noqa: NPY002
    fast = TabularSynthesizer("independent", entity="who")
    found, again = (audit(table, synthesizer=fast, refits=6, random_state=3) for _ in range(2))
    assert found.unit == "entities" and found.judged == 100 and found.model is not None
    assert found.to_dict() == again.to_dict()
    pd.testing.assert_frame_equal(found.records, again.records)
    pd.testing.assert_frame_equal(table, before)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    pairs = found.records["rows"].groupby(found.records.index // 2).nunique(dropna=False)
    assert (pairs == 1).all()


def test_an_audit_can_be_stopped_and_says_so():
    seen = []
    with pytest.warns(SynthkitWarning, match="after 5 of 50"):
        found = audit(SMALL, synthesizer=Law(), refits=50, progress=lambda s: seen.append(s) or s.done == 5)
    assert found.refits == 5 and [s.done for s in seen] == [1, 2, 3, 4, 5]


def test_an_interrupted_audit_tells_what_it_has():
    fits = []

    class Interrupted(Law):
        def fit(self, table: Table) -> Interrupted:
            fits.append(len(table))
            if len(fits) in (5, 7):
                raise KeyboardInterrupt
            return self

    with pytest.warns(SynthkitWarning, match="interrupted after 4 of 50"):
        assert audit(SMALL, synthesizer=Interrupted(), refits=50).refits == 4
    with pytest.raises(KeyboardInterrupt):  # two fits tell nothing
        audit(SMALL, synthesizer=Interrupted(), refits=50)
    assert set(fits) == {100}


def test_what_an_audit_cannot_do_is_told():
    with pytest.raises(SchemaError, match="rows=2000"):
        audit(pd.concat([TABLE] * 6), synthesizer=Law())
    with pytest.raises(SchemaError, match="at least, got 30"):
        audit(TABLE.head(30), synthesizer=Law())
    with pytest.raises(ParamError, match="'secrets'"):
        audit(TABLE, synthesizer=Law(), secrets=["salary"])
    with pytest.raises(ParamError, match="'secrets' takes a list"):
        audit(TABLE, synthesizer=Law(), secrets=5)
    with pytest.raises(ParamError, match="'targets'"):
        audit(TABLE, synthesizer=Law(), targets=[-5])
    with pytest.raises(SchemaError, match="has nulls"):
        audit(TABLE.assign(who=np.nan), synthesizer=Law(), entity="who")
    with pytest.raises(ParamError, match="'max_seconds'"):
        audit(TABLE, synthesizer=Law(), max_seconds=1e-9)
    assert len(audit(pd.concat([TABLE] * 6), synthesizer=Law(), rows=60, refits=4).records) == 60
