"""What repeats its last value in a row of the same kind: standing orders between cash."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synthkit import SequenceSynthesizer
from synthkit.recalled import find_recalled
from synthkit.sequences import SequenceEncoder

BANKS = ("AB", "CD", "EF", "GH")


def _accounts(accounts: int = 120, months: int = 10, seed: int = 0) -> pd.DataFrame:
    """A rent and an insurance a month, each always the same amount to the same bank; cash in between."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(accounts), months * 4)
    kind = np.tile(["cash", "rent", "cash", "insurance"], accounts * months)
    day = np.tile(np.repeat(np.arange(months) * 30, 4) + np.tile([1, 5, 12, 20], months), accounts)
    order = pd.Series(kind).map({"cash": 0, "rent": 1, "insurance": 2}).to_numpy()
    fixed = np.stack([np.zeros(accounts), rng.uniform(400, 1500, accounts), rng.uniform(20, 90, accounts)], 1).round(1)
    bank = rng.integers(0, 4, (accounts, 3))
    amount = np.where(order == 0, rng.uniform(10, 900, len(who)).round(1), fixed[who, order])
    names = np.array(BANKS, dtype=object)[bank[who, order]]
    names[order == 0] = None
    return pd.DataFrame({"who": who, "day": day, "kind": kind, "bank": names, "amount": amount})


def _repeats(table: pd.DataFrame, name: str, kind: str) -> float:
    rows = table[table["kind"] == kind]
    last = rows.groupby("who", sort=False)[name].shift()
    return float((rows[name] == last)[last.notna()].mean())


@pytest.fixture(scope="module")
def fitted() -> tuple[SequenceSynthesizer, pd.DataFrame]:
    table = _accounts()
    return SequenceSynthesizer(entity="who", time="day", random_state=0, max_steps=150).fit(table), table


def test_standing_orders_stay_what_they_are(fitted: tuple[SequenceSynthesizer, pd.DataFrame]) -> None:
    model, table = fitted
    assert {n: key for n, (key, _) in model.encoder_.recalled_.items()} == {"amount": ("kind",), "bank": ("kind",)}
    drawn = model.sample(150, seed=1)
    for kind in ("rent", "insurance"):
        assert _repeats(table, "amount", kind) == 1.0
        assert _repeats(drawn, "amount", kind) > 0.9
        assert _repeats(drawn, "bank", kind) > 0.9
    assert _repeats(drawn, "amount", "cash") < 0.1
    # copied from the account's own rows, not from a few training accounts
    rents = drawn[drawn["kind"] == "rent"].groupby("who")["amount"].first()
    assert rents.nunique() > 100


def test_continuations_keep_the_amounts_of_the_history(fitted: tuple[SequenceSynthesizer, pd.DataFrame]) -> None:
    model, table = fitted
    history = table[(table["who"] < 30) & (table["day"] < 150)]
    more = model.extend(history, 8, seed=0)
    rent = history[history["kind"] == "rent"].groupby("who")["amount"].last()
    later = more[more["kind"] == "rent"]
    assert (later["amount"].to_numpy() == rent.loc[later["who"]].to_numpy()).mean() > 0.85


def test_files_keep_them(fitted: tuple[SequenceSynthesizer, pd.DataFrame], tmp_path: object) -> None:
    model, _ = fitted
    model.save(f"{tmp_path}/m.synthkit")
    again = SequenceSynthesizer.load(f"{tmp_path}/m.synthkit")
    pd.testing.assert_frame_equal(again.sample(20, seed=3), model.sample(20, seed=3))


def test_what_does_not_repeat_is_not_recalled() -> None:
    table = _accounts()
    rng = np.random.default_rng(1)
    table["amount"] = rng.uniform(10, 900, len(table)).round(1)
    table["bank"] = np.array(BANKS)[rng.integers(0, 4, len(table))]
    assert not SequenceEncoder(entity="who", time="day").fit(table).recalled_


def test_two_columns_may_tell_kinds_and_none_recalls_what_tells() -> None:
    table = _accounts().drop(columns="bank")
    kind = table.pop("kind")
    table["way"] = np.where(kind == "cash", "cash", "order")
    table["use"] = np.where(kind == "rent", "home", "rest")
    encoder = SequenceEncoder(entity="who", time="day").fit(table)
    assert set(encoder.recalled_["amount"][0]) == {"way", "use"}
    told = {name for key, _ in encoder.recalled_.values() for name in key}
    assert not told & set(encoder.recalled_)
    owner = table["who"].to_numpy()
    found = find_recalled(table, owner, encoder.schema_, ["way", "use", "amount"], {"amount": "use"})
    assert "use" in found["amount"][0]
