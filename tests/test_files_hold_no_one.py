"""Values that one row (entity) alone has are planted, every kind of model is fitted, and its file is searched."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synthkit import SequenceSynthesizer, TabularSynthesizer
from synthkit.io import load
from synthkit.models import MODELS
from synthkit.models.sequence_latent import SEQUENCE_MODELS
from synthkit.schema import Schema
from synthkit.series import SERIES_MODELS

TEXTS = (
    "ZQX-only",
    "Vqk-grade",
    "once@planted.example",
    "nobody else wrote this sentence",
    "Oslo-Q7-2291",
    "KEYQ-0815x",
)
NUMBERS = (987654321.25, 31.4159265358979, 7654321.0, 40123.0)
DATE = pd.Timestamp("1907-02-04 03:14:15.926535")


def planted(rows: int, seed: int = 0) -> pd.DataFrame:
    """A table whose last row holds what no other does."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "key": [f"KEY-{i:04d}" for i in range(rows)],
            "kind": rng.choice(["a", "b", "c"], rows),
            "grade": rng.choice(["low", "high"], rows),
            "mail": [f"person{i}@example.org" for i in range(rows)],
            "note": [f"some words of {' and '.join(rng.choice(list('abcdefgh'), 4))} {i}" for i in range(rows)],
            "town": rng.choice(["Bergen", "Voss", "Hamar"], rows),
            "amount": rng.lognormal(4, 1, rows).round(2),
            "level": rng.normal(40, 5, rows).round(1),
            "income": (rng.lognormal(10, 0.4, rows) // 1000 * 1000).astype(np.int64),
            "born": pd.Timestamp("1950-01-01") + pd.to_timedelta(rng.integers(0, 15000, rows), "D"),
            "half": np.where(rng.random(rows) < 0.6, 0.0, rng.normal(0, 1, rows)),
        }
    )
    last = rows - 1
    table.loc[last, "kind"], table.loc[last, "grade"], table.loc[last, "mail"] = TEXTS[:3]
    table.loc[last, "note"], table.loc[last, "town"], table.loc[last, "key"] = TEXTS[3:]
    table.loc[last, "amount"], table.loc[last, "level"], table.loc[last, "income"] = NUMBERS[:3]
    table.loc[last, "born"], table.loc[last, "half"] = DATE, NUMBERS[3]
    table["grade"] = table["grade"].astype("category")
    return table


def needles(numbers: tuple[float, ...], texts: tuple[str, ...] = (), date: pd.Timestamp | None = None) -> list[bytes]:
    """Every form in which a file might hold them."""
    found = [text.encode() for text in texts] + [str(list(text.encode())).encode() for text in texts]
    for x in numbers:
        found += [repr(x).encode(), struct.pack("<d", x), struct.pack("<f", x), f"{x:.2f}".encode()]
        if x == int(x):
            found += [struct.pack("<q", int(x)), struct.pack("<i", int(x)), str(int(x)).encode()]
    if date is not None:
        ns = date.as_unit("ns").value
        for ticks in (ns, ns // 1000, ns // 10**9):
            found += [struct.pack("<q", ticks), struct.pack("<d", ticks), str(ticks).encode()]
        found += [date.isoformat().encode(), date.strftime("%Y-%m-%d").encode()]
        found.append(struct.pack("<d", float(date.value // 86_400_000_000_000)))
        found.append(struct.pack("<d", float((date.value // 86_400_000_000_000 + 3) // 7)))
    return found


def search(path: Path, wanted: list[bytes]) -> list[bytes]:
    """What of it the file holds; it is not compressed."""
    content = path.read_bytes()
    return [needle for needle in wanted if needle in content]


@pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")
def test_the_search_finds_what_is_there(tmp_path):
    synthesizer = TabularSynthesizer("independent", protect=None, random_state=0).fit(planted(200))
    synthesizer.save(tmp_path / "open")
    found = search(tmp_path / "open", needles(NUMBERS[:2], TEXTS[:2]))
    assert TEXTS[0].encode() in found and struct.pack("<d", NUMBERS[0]) in found


@pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")
@pytest.mark.parametrize("model", MODELS)
def test_tables(model, tmp_path):
    table = planted(200)
    synthesizer = TabularSynthesizer(model, random_state=0, max_steps=2).fit(table)
    synthesizer.save(tmp_path / "file")
    assert search(tmp_path / "file", needles(NUMBERS, TEXTS, DATE)) == []
    drawn = synthesizer.sample(400, seed=1)
    assert not set(TEXTS) & {str(v) for name in ("kind", "grade", "town", "mail", "note", "key") for v in drawn[name]}


@pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")
def test_an_entity_of_many_rows_is_one(tmp_path):
    table = planted(200)
    table["who"] = [f"P{i // 2:03d}" for i in range(180)] + ["P999"] * 20
    for name in table.columns.drop(["who", "note", "mail", "key"]):
        table.loc[180:, name] = table[name].iloc[-1]
    TabularSynthesizer("independent", entity="who", random_state=0).fit(table).save(tmp_path / "file")
    assert search(tmp_path / "file", needles(NUMBERS, TEXTS, DATE)) == []


@pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")
def test_keys_of_a_category_dtype(tmp_path):
    table = planted(200)[["key", "kind", "amount"]].astype({"key": "category"})
    schema = Schema.infer(table, overrides={"key": "identifier"})
    made = [TabularSynthesizer("independent", random_state=0, schema=schema).fit(table)]
    made.append(TabularSynthesizer("independent", random_state=0, entity="key").fit(table))
    for synthesizer in made:
        synthesizer.save(tmp_path / "file")
        assert search(tmp_path / "file", [f"KEY-{i:04d}".encode() for i in range(199)] + [b"KEYQ-0815x"]) == []
        assert synthesizer.sample(20, seed=0)["key"].notna().all()


@pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")
@pytest.mark.parametrize("model", SEQUENCE_MODELS)
def test_panels(model, tmp_path):
    rows, each = 300, 5
    table = planted(rows).drop(columns=["mail"])
    owner = np.arange(rows) // each
    table.insert(0, "who", pd.Categorical([f"WHO-{i:03d}" for i in owner]))
    day = np.random.default_rng(1).integers(1, 40, rows).cumsum()
    table["visit"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(day, "D")
    table.loc[rows - 1, "visit"] += pd.Timedelta("7654321us")  # a gap of its own
    for name in ("town", "born"):  # constant within entities
        table[name] = table[name].iloc[owner * each + each - 1].to_numpy()
    synthesizer = SequenceSynthesizer(model, entity="who", time="visit", random_state=0, max_steps=2).fit(table)
    assert "town" in synthesizer.context_ and "amount" in synthesizer.moving_
    synthesizer.save(tmp_path / "file")
    whose = [f"WHO-{i:03d}".encode() for i in range(owner[-1] + 1)]
    assert search(tmp_path / "file", [*needles(NUMBERS, TEXTS, DATE), *whose]) == []
    again = SequenceSynthesizer.load(tmp_path / "file")
    assert again.protection_.to_dict() == synthesizer.protection_.to_dict()


@pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")
@pytest.mark.parametrize("model", [name for name in SERIES_MODELS if name != "bootstrap"])
def test_series(model, tmp_path):
    rng, rows = np.random.default_rng(0), 260
    move = rng.standard_t(4, rows) * 0.01
    move[200] = 0.77712345
    level = np.zeros(rows)
    for t in range(1, rows):
        level[t] = 0.7 * level[t - 1] + rng.normal()
    level = level.round(2)
    level[100], volume = 87.6543219876, rng.lognormal(5, 1, rows).round()
    volume[50] = 987654321.0
    table = pd.DataFrame({"day": pd.date_range("2020-01-01", periods=rows), "price": 100 * np.exp(np.cumsum(move))})
    table = table.assign(level=level, volume=volume)
    SequenceSynthesizer(model, time="day", random_state=0, max_steps=2).fit(table).save(tmp_path / "file")
    assert search(tmp_path / "file", needles((87.6543219876, 987654321.0, move[200]))) == []
    # nor anything that follows from them by a round factor
    _, arrays = load(tmp_path / "file", "series")
    everything = np.abs(np.concatenate([np.ravel(a).astype(float) for a in arrays.values()]))
    for x in (87.6543219876, 987654321.0, abs(np.diff(np.log(table["price"]))[199])):
        for factor in (1.0, 1.1, 1.2, 1.25, 1.3, 1.5, 2.0):
            assert not np.isclose(everything, factor * x, rtol=1e-5).any()
