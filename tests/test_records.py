"""A table of records over time is noticed where single rows are learnt, and others are not taken for one."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from examples.credit_risk import draw_loans
from synthkit import SequenceSynthesizer, SynthkitWarning, TabularSynthesizer
from synthkit.synthesizers.records import looks_like_records
from synthkit.testing import draw_panel
from synthkit.testing.tables import tiny_table
from tests.conftest import draw_normals


def test_records_are_noticed():
    visits = draw_panel(40, 0)
    assert looks_like_records(visits) == ("who", "when")  # rows stand together, in the order of time
    assert looks_like_records(visits.sort_values("when")) is None  # a key by neither name nor order
    named = visits.rename(columns={"who": "patient_id"})
    mixed = named.sample(frac=1, random_state=0)
    numbered = named.assign(patient_id=pd.factorize(named["patient_id"])[0])
    dated = named.assign(when=named["when"].dt.date)
    category = named.astype({"patient_id": "category"})
    for table in (named, mixed, numbered, dated, category, named.astype({"patient_id": "string"})):
        assert looks_like_records(table) == ("patient_id", "when")
    counted = named.assign(visit=named.groupby("patient_id").cumcount()).drop(columns="when")
    assert looks_like_records(counted) == ("patient_id", "visit")
    assert looks_like_records(counted.rename(columns={"patient_id": "PatientID"})) == ("PatientID", "visit")


def test_other_tables_are_not(mixed):
    rng = np.random.default_rng(0)
    sold = pd.DataFrame(
        {
            "city": rng.choice([f"town {k}" for k in range(30)], 600),
            "age": rng.integers(18, 80, 600),
            "sold": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, 600), "D"),
            "order_id": [f"o{k}" for k in range(600)],
        }
    )
    once = draw_panel(40, 0).drop_duplicates("who").rename(columns={"who": "patient_id"})
    frozen = draw_panel(40, 0).rename(columns={"who": "patient_id"})
    frozen["when"] = frozen.groupby("patient_id")["when"].transform("min")  # a time of the patient, not of the row
    tables = [mixed, tiny_table(), draw_normals(500, 0), draw_loans(500, 0), sold, once, frozen, frozen[:0]]
    tables += [load(as_frame=True).frame for load in (load_breast_cancer, load_diabetes, load_wine)]
    tables += [sold.sort_values("age"), sold.sort_values("sold"), draw_panel(5, 0).rename(columns={"who": "id"})]
    for table in tables:
        assert looks_like_records(table) is None


def test_fit_warns_unless_the_entity_is_given():
    visits = draw_panel(40, 0)
    with pytest.warns(SynthkitWarning, match="SequenceSynthesizer\\(entity='who', time='when'\\)") as caught:
        TabularSynthesizer("copula").fit(visits)
    assert caught[0].filename == __file__ and "p0-" not in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SynthkitWarning)
        TabularSynthesizer("copula", entity="who").fit(visits)
        SequenceSynthesizer(entity="who", time="when", max_steps=2).fit(visits)
