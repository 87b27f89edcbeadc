"""Long form: numbers that mean something else in every group are learnt, drawn and filled by group."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from synthkit import SequenceSynthesizer, between
from synthkit.errors import ConditionError, SchemaError
from synthkit.grouped import GroupedNumber
from synthkit.protect import Protection
from synthkit.schema import Numeric, Schema

KEYS = {"entity": "who", "time": "hour"}
LEVELS = {"HR": (80.0, 12.0, 0), "pH": (7.40, 0.05, 2), "Temp": (37.0, 0.6, 1)}


def draw(patients: int, seed: int) -> pd.DataFrame:
    """Results by code; nine tenths of a code's variance lie between patients."""
    rng, rows = np.random.default_rng(seed), []
    for who in range(patients):
        own = {code: rng.normal() * np.sqrt(0.9) for code in LEVELS}
        hour = 0
        for _ in range(int(rng.integers(6, 18))):
            code = str(rng.choice(list(LEVELS), p=[0.5, 0.2, 0.3]))
            mean, scale, digits = LEVELS[code]
            z = own[code] + rng.normal() * np.sqrt(0.1)
            rows.append((who, hour, code, round(mean + scale * z, digits)))
            hour += int(rng.integers(0, 4))
    return pd.DataFrame(rows, columns=["who", "hour", "code", "value"])


@cache
def fitted() -> tuple[pd.DataFrame, SequenceSynthesizer]:
    table = draw(300, 0)
    return table, SequenceSynthesizer(random_state=0, max_steps=150, **KEYS).fit(table)


def test_numbers_are_learnt_by_group_each_on_its_own_grid_and_range():
    table, synthesizer = fitted()
    assert {name: grouped.by for name, grouped in synthesizer.encoder_.groups_.items()} == {"value": "code"}
    drawn = synthesizer.sample(600, seed=1)
    assert list(drawn.columns) == list(table.columns) and (drawn.dtypes == table.dtypes).all()
    fresh = draw(600, 1)
    for code, (_, _, digits) in LEVELS.items():
        mine, real = drawn.value[drawn.code == code], fresh.value[fresh.code == code]
        assert ks_2samp(mine, real).statistic < 0.1, code
        np.testing.assert_allclose(mine, mine.round(digits), atol=1e-9)
        seen = table.value[table.code == code]
        assert mine.between(seen.min() - 3 * seen.std(), seen.max() + 3 * seen.std()).all()


def test_a_patient_keeps_the_level_of_every_code():
    _, synthesizer = fitted()
    drawn = synthesizer.sample(600, seed=2)
    for code in LEVELS:
        mine = drawn[drawn.code == code]
        last = mine.groupby("who")["value"].shift()
        known = last.notna()
        assert np.corrcoef(mine.value[known], last[known])[0, 1] > 0.6, code  # .9 by the law


def test_gaps_are_filled_by_the_patients_own_level_of_the_code():
    _, synthesizer = fitted()
    table = draw(150, 3)
    seen = table.groupby(["who", "code"]).cumcount() > 0
    hidden = seen & (np.random.default_rng(0).random(len(table)) < 0.2)
    gappy = table.assign(value=table.value.mask(hidden))
    filled = synthesizer.impute(gappy, mode="point", seed=0)
    assert filled.value.notna().all() and filled.value[~hidden].equals(table.value[~hidden])
    for code, (mean, scale, _) in LEVELS.items():
        at = hidden & (table.code == code)
        error = ((filled.value - table.value)[at] / scale).std()
        assert error < 0.7 * ((table.value[at] - mean) / scale).std(), code


def test_groups_are_saved_declared_and_refused():
    table, synthesizer = fitted()
    with pytest.raises(ConditionError, match=r"'value' is learnt by the groups of 'code'"):
        synthesizer.sample(3, where={"value": 80.0})
    with pytest.raises(ConditionError, match=r"'value', which is learnt by group, takes one value or a range"):
        synthesizer.sample(3, where={"value": [80.0, 81.0], "code": "HR"})
    with pytest.raises(ConditionError, match=r"'value', which is learnt by group, takes one value or a range"):
        synthesizer.sample(3, where={"value": np.array([80.0, 81.0]), "code": "HR"})
    with pytest.raises(ConditionError, match=r"without one value of 'code'"):
        synthesizer.sample(3, where={"value": 80.0, "code": np.array(["HR", "pH"])})
    one = {"value": between(75, 85), "code": "HR"}
    assert synthesizer.sample(9, where=one, seed=1).equals(synthesizer.sample(9, where=one | {"code": ["HR"]}, seed=1))
    schema = Schema.infer(table, entity="who", rules=False, overrides={"value": Numeric(by="code")})
    declared = SequenceSynthesizer(schema=schema, time="hour", random_state=0, max_steps=2).fit(table)
    assert declared.encoder_.groups_["value"].by == "code"
    assert Schema.from_dict(schema.to_dict()).columns["value"].by == "code"
    wrong = Schema.infer(table, entity="who", rules=False, overrides={"value": Numeric(by="hour")})
    with pytest.raises(SchemaError, match=r"column 'value': argument 'by' of its type names 'hour'"):
        SequenceSynthesizer(schema=wrong, time="hour", random_state=0).fit(table)


def test_conditions_on_a_number_hold_with_its_group():
    _, synthesizer = fitted()
    drawn = synthesizer.sample(20, where={"code": "pH", "value": between(7.35, 7.45)}, seed=0)
    assert (drawn.code == "pH").all() and drawn.value.between(7.35, 7.45).all() and drawn.value.nunique() > 5
    assert (synthesizer.sample(5, where={"code": "HR", "value": 80.0}, seed=0).value == 80.0).all()


def test_a_saved_synthesizer_draws_the_same(tmp_path):
    _, synthesizer = fitted()
    synthesizer.save(tmp_path / "long.synthkit")
    loaded = SequenceSynthesizer.load(tmp_path / "long.synthkit")
    pd.testing.assert_frame_equal(loaded.sample(20, seed=4), synthesizer.sample(20, seed=4))


def test_places_are_uniform_and_come_back_as_the_same_numbers():
    table = draw(200, 5)
    grouped = GroupedNumber(Numeric(decimals=2), "code").fit(
        table.value, table.code, table.who, Protection(min_count=5)
    )
    places = grouped.places(table.value, table.code)
    assert ks_2samp(places, np.random.default_rng(0).random(5000)).statistic < 0.06
    back = grouped.numbers(places, table.code)
    for code, (_, scale, _) in LEVELS.items():
        at = (table.code == code).to_numpy()
        assert np.quantile(np.abs(back - table.value.to_numpy())[at], 0.95) <= 0.05 * scale, code
    unseen = pd.Series(["new"] * 3)
    assert np.isfinite(grouped.numbers(pd.Series([0.1, 0.5, 0.9]), unseen)).all()
