"""Metrics of records over time: known laws are recovered, and every planted defect moves its own figure."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

import synthkit
from synthkit.errors import ParamError, SchemaError
from synthkit.metrics import PANEL_METRICS, panels, score_panel
from synthkit.metrics.temporal import associations, gaps, ks, lengths, missing_runs, normal_scores
from synthkit.metrics.temporal_detection import entity_detection, memorisation
from synthkit.metrics.temporal_dynamics import autocorrelation, icc, transitions, variance
from synthkit.metrics.temporal_summary import summaries
from synthkit.testing.metrics import untouched
from synthkit.testing.panels import PHI, STAY
from synthkit.testing.panels import draw_panel as draw

KEYS = {"entity": "who", "time": "when"}


@cache
def tables() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Training, fresh, and holdout patients."""
    return draw(250, 0), draw(250, 1), draw(250, 2)


def figures(synthetic: pd.DataFrame, *metrics: str) -> pd.DataFrame:
    real, _, holdout = tables()
    report = score_panel(real, synthetic, holdout=holdout, target="died", secrets=["arm"], metrics=metrics, **KEYS)
    return report.table.set_index("metric")


def shuffled(table: pd.DataFrame, columns: list[str], *, within: bool) -> pd.DataFrame:
    rng, out = np.random.default_rng(9), table.copy()
    keys = [rng.random(len(table))] + ([pd.factorize(table["who"])[0]] if within else [])
    out[columns] = table[columns].to_numpy()[np.lexsort(keys)]
    return out.astype(table.dtypes)


# -------------------------------------------------------------------- known laws
def test_the_intraclass_correlation_is_that_of_the_law():
    found = []
    for seed in range(3, 9):  # variance 1 between, 1 within
        table = draw(300, seed, phi=0.0)
        found.append(icc(table["x"].to_numpy(), pd.factorize(table["who"])[0]))
    assert np.mean(found, axis=0) == pytest.approx((0.5, 1.0, 1.0), abs=0.1)
    assert np.mean(found, axis=0)[0] == pytest.approx(0.5, abs=0.03)
    (panel, same) = panels(table, table, **KEYS)
    lines = variance(panel, same).details["table"].set_index("column")
    assert lines.loc["x", "real_icc"] == pytest.approx(found[-1][0], abs=0.03)  # of normal scores
    # independent rows have none, unequal lengths or not
    assert icc(np.random.default_rng(0).normal(size=panel.rows), panel.owner)[0] == pytest.approx(0.0, abs=0.03)


def test_the_intraclass_correlation_of_unequal_lengths_by_hand():
    x, owner = np.array([1.0, 3.0, 2.0, 6.0, 8.0]), np.array([0, 0, 0, 1, 1])
    msb, msw, k = 30.0, 4 / 3, 5 - 13 / 5
    assert icc(x, owner)[0] == pytest.approx((msb - msw) / (msb + (k - 1) * msw))
    assert np.isnan(icc(x, np.arange(5))[0])


def test_autocorrelation_is_that_of_the_law():
    table = draw(150, 4, rows=60)
    (panel, same) = panels(table, table, **KEYS)
    lines = autocorrelation(panel, same).details["table"].set_index(["column", "of", "lag"])["real"]
    between = 1 + 0.25  # the patients' levels: 1, and the arm's
    for lag in (1, 2, 3):
        assert lines["x", "pooled", lag] == pytest.approx((between + PHI**lag) / (between + 1), abs=0.08)
        assert lines["x", "within", lag] == pytest.approx(PHI**lag, abs=0.08)
    assert lines["y", "within", 1] == pytest.approx(PHI / 1.25, abs=0.08)


def test_transitions_are_those_of_the_law():
    table = draw(150, 4)
    (panel, same) = panels(table, table, **KEYS)
    found = transitions(panel, same)
    assert found.value == 0
    chain = found.details["tables"]["state"][0][1:, 1:]  # without null
    assert chain == pytest.approx(np.array([[STAY, 1 - STAY], [1 - STAY, STAY]]), abs=0.03)


def test_distances_by_hand():
    grid = np.linspace(0, 1, 1000, endpoint=False)
    assert ks(grid, grid + 0.2) == pytest.approx(0.2, abs=0.002)
    assert ks(np.array([np.nan]), grid) == 1 and ks(np.empty(0), np.empty(0)) == 0
    x = np.random.default_rng(0).normal(size=2000)
    middle = np.abs(x) < 2
    assert normal_scores(x, x)[middle] == pytest.approx(x[middle], abs=0.15)
    assert normal_scores(x, x + 1000).min() >= normal_scores(x, x).max()
    assert np.isnan(normal_scores(x, np.array([np.nan]))).all()
    y = np.stack([x, -x, np.full(2000, 3.0)], axis=1)
    y[5] = np.nan
    assert associations(y, y) == pytest.approx(np.array([[1, -1, 0], [-1, 1, 0], [0, 0, 0]]))


def test_runs_of_nulls_by_hand():
    def table(values):
        return pd.DataFrame({"who": list("aaaabbbb"), "when": [0, 1, 2, 3] * 2, "x": values})

    n = None

    def several(values, times):
        return pd.concat([table(values).assign(who=lambda t, k=k: t["who"] + str(k)) for k in range(times)])

    apart, joined = [1.0, n, 2, n, n, 3, n, 4], [1.0, 2, 3, 4, n, n, n, n]
    real, synthetic = panels(several(apart, 8), several(joined, 8), kinds={"x": "numeric"}, **KEYS)
    # rates are equal; of two entities one has no value; 32 runs of 1 against 8 of 4
    assert missing_runs(real, synthetic).value == pytest.approx((0 + 0.5 + 1) / 3)
    assert missing_runs(real, real).value == 0
    # 28 runs are too few to know their law
    real, synthetic = panels(several(apart, 7), several(joined, 7), kinds={"x": "numeric"}, **KEYS)
    assert missing_runs(real, synthetic).value == pytest.approx((0 + 0.5) / 2)


def test_a_few_odd_gaps_do_not_decide_how_gaps_follow_each_other():
    def table(odd):
        gap = np.tile([1.0, 2.0], 500)
        gap[odd] = 1000.0
        who = np.repeat(np.arange(100), 10)
        return pd.DataFrame({"who": who, "when": np.cumsum(gap), "x": 0.5})

    real, apart, joined = panels(table([]), table([55, 457]), table([55, 56, 457, 458]), **KEYS)
    assert max(gaps(real, other).parts["next gap"] for other in (apart, joined)) < 0.25


def test_gaps_are_in_days_or_in_units():
    table = pd.DataFrame({"who": [1, 1, 2, 2], "when": [3.0, 1.0, 5.0, 5.0], "x": [1.0, 2, 3, 4]})
    (units,) = panels(table, kinds={"x": "numeric"}, **KEYS)
    assert sorted(units.gaps) == [0, 2]
    dates = table.assign(when=pd.Timestamp("2024-03-31", tz="Europe/Berlin") + pd.to_timedelta(table["when"], "D"))
    (days,) = panels(dates, kinds={"x": "numeric"}, **KEYS)
    assert sorted(days.gaps) == [0, 2]
    (durations,) = panels(table.assign(when=pd.to_timedelta(table["when"], "D")), kinds={"x": "numeric"}, **KEYS)
    assert sorted(durations.gaps) == [0, 2]


# -------------------------------------------------------------------- the floor, and planted defects
def test_fresh_entities_are_near_the_floor():
    table = figures(tables()[1], *PANEL_METRICS)
    assert table["value"].notna().all() and table["floor"].notna().all()
    errors = table[table["best"] == 0].drop(["label", "context_kept", "entity_copies", "entity_inference"])
    free = errors.drop("next_step")  # of a model
    above = free[["matched", "floor"]].max(axis=1) - free["chance"]
    assert (above < 4 * free["chance_sd"]).all(), table.to_string()
    assert abs(table.loc["next_step", "value"]) < 0.05
    assert (table.loc[["context_kept", "entity_copies"], ["value", "floor"]] == 0).all(axis=None)
    assert table.loc["entity_detection", ["value", "floor"]].between(0.35, 0.62).all()
    assert table.loc["memorisation", ["value", "floor"]].between(0.9, 1.1).all()
    assert abs(table.loc["label", "value"]) < 0.15


def test_identical_tables_have_no_error():
    real = tables()[0]
    table = score_panel(real, real, **KEYS).table.set_index("metric")
    assert table.loc["entity_copies", "value"] == 1
    errors = table.loc[(table["best"] == 0) & table["value"].notna(), "value"].drop("entity_copies")
    assert len(errors) == 13 and (errors.abs() < 1e-12).all()
    assert table.loc["entity_detection", "value"] < 0.5  # copies on both sides of a fold
    assert table.loc["memorisation", "note"] == "needs holdout"
    assert table.loc["label", "note"] == "needs holdout and target"
    assert table.loc["entity_inference", "note"] == "needs holdout and secrets"


def only_two_thirds(t: pd.DataFrame) -> pd.DataFrame:
    position = t.groupby("who").cumcount()
    return t[position < 2 * t.groupby("who")["x"].transform("size") / 3]


def context_permuted(t: pd.DataFrame) -> pd.DataFrame:
    first = t.groupby("who")[["arm", "died"]].first()
    mixed = first.iloc[np.random.default_rng(5).permutation(len(first))].set_axis(first.index)
    return t.drop(columns=["arm", "died"]).join(mixed, on="who")


def gaps_pooled(t: pd.DataFrame) -> pd.DataFrame:
    """Every patient's gaps are those of anybody."""
    gap = t.groupby("who")["when"].diff().dt.total_seconds().to_numpy() / 86_400
    known = np.flatnonzero(~np.isnan(gap))
    gap[known] = gap[np.random.default_rng(6).permutation(known)]
    start = t.groupby("who")["when"].transform("first")
    return t.assign(when=start + pd.to_timedelta(pd.Series(np.nan_to_num(gap)).groupby(t["who"]).cumsum(), "D"))


def weekends_only(t: pd.DataFrame) -> pd.DataFrame:
    day = t["when"].dt.day_of_week.to_numpy()
    return t.assign(when=t["when"] + pd.to_timedelta(np.maximum(0, 5 - day), "D"))


def nulls_in_runs(t: pd.DataFrame) -> pd.DataFrame:
    """As many nulls, all in the first tenth of the patients."""
    rows = int(t["y"].isna().sum())
    known = t["y"].fillna(0.0).to_numpy()
    return t.assign(y=np.where(np.arange(len(t)) < rows, np.nan, known))


DEFECTS = {
    "shuffled within entities": (
        lambda t: shuffled(t, ["x", "state"], within=True),
        ["transitions", "autocorrelation", "next_step"],
    ),
    "one column shuffled within entities": (lambda t: shuffled(t, ["y"], within=True), ["cross_lag"]),
    "independent rows": (
        lambda t: shuffled(t, ["x", "y", "state"], within=False),
        ["variance", "autocorrelation", "transitions", "context_dependence"],
    ),
    "short": (only_two_thirds, ["lengths", "spans"]),
    "context permuted": (context_permuted, ["context_dependence", "label"]),
    "context that varies": (lambda t: shuffled(t, ["arm"], within=False), ["context_kept"]),
    "one arm": (lambda t: t[(t["arm"] == "a") | (t["who"].str[-1] < "3")], ["context_shape"]),
    "gaps of anybody": (gaps_pooled, ["gaps"]),
    "weekends": (weekends_only, ["calendar"]),
    "nulls in runs": (nulls_in_runs, ["missing_runs"]),
    "shifted": (lambda t: t.assign(x=t["x"] + 1), ["values"]),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_defect_moves_its_own_figure(name):
    plant, moved = DEFECTS[name]
    table = figures(plant(tables()[1]), *moved)
    beyond = table["chance"].fillna(0) + 4 * table["chance_sd"].fillna(0)
    assert (table["matched"] > np.maximum(beyond, 2 * table["floor"] + 0.01)).all(), table.to_string()


def test_what_a_defect_leaves_alone_stays_near_the_floor():
    kept = figures(shuffled(tables()[1], ["x", "state"], within=True), "values", "variance", "lengths", "gaps")
    assert (kept["matched"] < kept["chance"] + 4 * kept["chance_sd"]).all(), kept.to_string()


@pytest.mark.parametrize("quick", [False, True])
def test_detection_sees_rows_without_an_entity(quick):
    bad = shuffled(tables()[1], ["x", "y", "state"], within=False)
    real, bad, fresh = panels(tables()[0], bad, tables()[2], **KEYS)
    found, floor = (entity_detection(real, other, quick=quick) for other in (bad, fresh))
    assert found.interval is not None and found.interval[0] > 0.75 > floor.value
    assert max(found.parts, key=found.parts.get) == "x"


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_copied_entities_are_seen(share):
    real, fresh, holdout = tables()
    names = real["who"].unique()[: round(share * 250)]
    copies = real[real["who"].isin(names)].assign(who=lambda t: "copy of " + t["who"])
    others = fresh[fresh["who"].isin(fresh["who"].unique()[len(names) :])]
    train, synthetic, judge = panels(real, pd.concat([copies, others]), holdout, **KEYS)
    found = memorisation(train, synthetic, judge)
    assert found.parts["copied"] == pytest.approx(share) and found.parts["same records"] == pytest.approx(share)
    assert found.parts["nearer"] == pytest.approx(0.5 + share / 2, abs=0.08)
    assert found.value == pytest.approx(1 - share, abs=0.1)
    assert found.interval is not None and found.interval[1] < 0.9


def test_near_copies_are_seen():
    real, _, holdout = tables()
    rng = np.random.default_rng(3)
    noisy = real.assign(who="c" + real["who"], x=real["x"] + rng.normal(0, 0.1, len(real)))
    found = memorisation(*panels(real, noisy, holdout, **KEYS))
    assert found.parts["copied"] == 0 and found.parts["nearer"] > 0.95 and found.value < 0.6


def test_the_interval_of_memorisation_covers_fresh_entities():
    covered = []
    for seed in range(20):
        train, fresh, holdout = panels(*(draw(60, 500 + 3 * seed + i, rows=4) for i in range(3)), **KEYS)
        found = memorisation(train, fresh, holdout, seed=seed)
        assert found.interval is not None
        covered.append(found.interval[0] <= 1 <= found.interval[1])
    assert np.mean(covered) >= 0.85


def test_the_holdout_itself_is_no_generator():
    real, _, holdout = tables()
    found = memorisation(*panels(real, holdout, holdout, **KEYS))
    assert np.isnan(found.value) and "of the holdout" in found.note


def test_the_floor_of_copies_is_no_excuse():
    table = figures(tables()[0].assign(who=lambda t: t["who"] + "'"), "memorisation")
    assert table.loc["memorisation", "matched"] < 0.1 < 0.9 < table.loc["memorisation", "floor"]


# -------------------------------------------------------------------- contracts
QUICK = [name for name in PANEL_METRICS if name != "next_step"]


def test_order_and_names_do_not_matter_and_nothing_is_touched():
    real, fresh, holdout = (t[t["who"].isin(t["who"].unique()[:60])] for t in tables())

    def mixed(table: pd.DataFrame, seed: int) -> pd.DataFrame:
        names = dict(zip(table["who"].unique(), np.random.default_rng(seed).permutation(60), strict=True))
        return table.assign(who=table["who"].map(names)).sample(frac=1, random_state=seed)

    with untouched(real, fresh, holdout):
        one = score_panel(real, fresh, holdout=holdout, target="died", metrics=QUICK, **KEYS)
    again = score_panel(real, fresh, holdout=holdout, target="died", metrics=QUICK, **KEYS)
    other = score_panel(
        mixed(real, 1), mixed(fresh, 2), holdout=mixed(holdout, 3), target="died", metrics=QUICK, **KEYS
    )
    pd.testing.assert_frame_equal(one.table, again.table, check_exact=True)
    pd.testing.assert_frame_equal(one.table, other.table)
    pd.testing.assert_frame_equal(one.details, other.details)


def test_an_index_of_entity_and_time_is_accepted():
    real, fresh, _ = tables()
    keys = ["who", "when"]
    one = score_panel(real, fresh, metrics=["gaps", "variance"], **KEYS).table
    other = score_panel(real.set_index(keys), fresh.set_index(keys), metrics=["gaps", "variance"], **KEYS).table
    pd.testing.assert_frame_equal(one, other)


def test_children_without_order():
    real, fresh, holdout = (t.drop(columns="when") for t in tables())
    report = score_panel(real, fresh, entity="who", time=None, holdout=holdout, metrics=QUICK)
    table = report.table.set_index("metric")
    ordered = ["gaps", "spans", "transitions", "autocorrelation", "cross_lag"]
    assert table.loc[ordered, "value"].isna().all()
    assert table.loc[ordered, "note"].str.startswith("needs a time").all()
    assert (
        table.loc[["lengths", "variance", "context_dependence", "memorisation", "missing_runs"], "value"].notna().all()
    )
    assert 0.35 < table.loc["entity_detection", "value"] < 0.65


def test_context_is_found_or_declared():
    real = tables()[0]
    assert panels(real, **KEYS)[0].context == ("arm", "died")
    assert panels(real, context=["arm"], **KEYS)[0].context == ("arm",)
    assert panels(real.drop_duplicates("who"), **KEYS)[0].context == ()


@pytest.mark.parametrize("odd", ["one row each", "duplicated times", "all null", "few"])
def test_odd_tables_have_figures_or_reasons(odd):
    real, fresh, holdout = (t[t["who"].isin(t["who"].unique()[:50])] for t in tables())
    if odd == "one row each":
        real, fresh, holdout = (t.drop_duplicates("who") for t in (real, fresh, holdout))
    elif odd == "duplicated times":
        real, fresh, holdout = (t.assign(when=t["when"].dt.normalize()) for t in (real, fresh, holdout))
    elif odd == "all null":
        real, fresh, holdout = (t.assign(y=np.nan) for t in (real, fresh, holdout))
    else:
        real, fresh, holdout = (t[t["who"].isin(t["who"].unique()[:3])] for t in (real, fresh, holdout))
    kinds = {"x": "numeric", "y": "numeric", "state": "categorical", "arm": "categorical", "died": "categorical"}
    table = score_panel(real, fresh, holdout=holdout, target="died", kinds=kinds, **KEYS).table
    assert (table["value"].notna() | (table["note"] != "")).all(), table.to_string()


BAD = {
    "no column 'patient'": (lambda t: t, {"entity": "patient"}, SchemaError),
    "no column 'date'": (lambda t: t, {"time": "date"}, SchemaError),
    "name one column": (lambda t: t, {"time": "who"}, ParamError),
    "fewer than two entities": (lambda t: t[t["who"] == t["who"].iloc[0]], {}, SchemaError),
    "entity column 'who' has nulls": (lambda t: t.assign(who=t["who"].where(t.index > 0)), {}, SchemaError),
    "time column 'when' has nulls": (lambda t: t.assign(when=t["when"].where(t.index > 0)), {}, SchemaError),
    "context column 'x' varies": (lambda t: t, {"context": ["arm", "x"]}, SchemaError),
    "no column 'sex'": (lambda t: t, {"context": ["sex"]}, SchemaError),
    "'when' mixes time zones": (
        lambda t: t.assign(
            when=[d.tz_localize("UTC" if i % 2 else "Asia/Tokyo") for i, d in enumerate(t["when"])]
        ).astype({"when": object}),
        {},
        SchemaError,
    ),
    "'when' is no time": (lambda t: t.assign(when="soon"), {}, SchemaError),
    "no metric 'gap'": (lambda t: t, {"metrics": ["gap"]}, ParamError),
    "'target': 'age' is no judged column": (lambda t: t, {"target": "age"}, ParamError),
}


@pytest.mark.parametrize("words", BAD)
def test_errors_say_what_is_wrong(words):
    spoil, arguments, kind = BAD[words]
    table = spoil(draw(30, 0))
    with pytest.raises(kind, match=words):
        score_panel(table, table, **{**KEYS, "metrics": ["lengths"], **arguments})


def test_time_zones_of_two_tables_have_to_agree():
    real, fresh, _ = tables()
    with pytest.raises(SchemaError, match="differs between the tables"):
        score_panel(real, fresh.assign(when=fresh["when"].dt.tz_localize("UTC")), metrics=["gaps"], **KEYS)


def test_panels_have_to_be_made_together():
    (one,), (other,) = (panels(t, **KEYS) for t in tables()[:2])
    with pytest.raises(ParamError, match="not made together"):
        lengths(one, other)
    assert gaps(one, one).value == 0


def test_summaries_by_hand():
    table = pd.DataFrame(
        {"who": list("aab"), "when": [0, 2, 5], "x": [1.0, 4.0, 7.0], "s": ["u", "v", "u"], "c": ["k", "k", "l"]}
    )
    kinds = {"x": "numeric", "s": "categorical", "c": "categorical"}
    (panel,) = panels(table, kinds=kinds, context=["c"], **KEYS)
    rows = summaries(panel)
    longer = int(np.argmax(panel.lengths))
    found = dict(zip(rows.num, rows.numbers[longer], strict=True))
    assert found["rows", "number"] == 2 and found["when", "span"] == 2
    assert [
        found["x", f] for f in ("mean", "deviation", "least", "greatest", "first", "last", "step", "neighbours")
    ] == [*(2.5, 1.5, 1, 4, 1, 4, 3, -2.25)]
    assert found["s", "level 0"] == 0.5 and found["s", "kept"] == 0 and rows.cat == (("c", "context"),)
    assert not [c for c in summaries(panel, without=["x"]).num if c[0] == "x"]


def test_the_report_is_shown():
    report = score_panel(*tables()[:2], holdout=tables()[2], metrics=["lengths", "variance"], **KEYS)
    assert isinstance(report, synthkit.PanelReport) and report.context == ("arm", "died")
    assert report.entities == {"real": 250, "synthetic": 250, "holdout": 250}
    assert "variance" in str(report) and "<table" in report._repr_html_()
    assert set(report.details["part"]) == {"x", "y", "state"}
