"""Running totals: accounts by a known law, whose balances have to add up to the last digit wherever they are drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synthkit import Protection, SequenceSynthesizer
from synthkit.errors import ConditionError
from synthkit.running_order import chained, find_running
from synthkit.sequences import SequenceEncoder

pytestmark = pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")

SIGNS = {"in": 1, "out": -1, "fee": -1}


def draw_accounts(accounts: int = 50, seed: int = 0) -> pd.DataFrame:
    """Bookings of accounts in the order in which they were made; several of a day are common. Openings are 50 or 80."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(accounts), rng.integers(4, 14, accounts))
    rows = len(who)
    kind = rng.choice(list(SIGNS), rows, p=[0.5, 0.3, 0.2])
    cents = np.where(kind == "fee", 250, rng.integers(100, 20_000, rows))
    change = cents * pd.Series(kind).map(SIGNS).to_numpy()
    opening = rng.choice([5_000, 8_000], accounts)[who]
    balance = opening + pd.Series(change).groupby(who).cumsum().to_numpy()
    day = pd.Series(rng.integers(0, 3, rows)).groupby(who).cumsum().to_numpy()
    return pd.DataFrame(
        {
            "balance": balance / 100,
            "who": [f"a{k}" for k in who],
            "day": pd.Timestamp("2021-01-04") + pd.to_timedelta(day, "D"),
            "other": rng.integers(-50_000, 50_000, rows) / 100,
            "kind": kind,
            "amount": cents / 100,
        }
    )


def cents(numbers: pd.Series) -> np.ndarray:
    return np.rint(numbers.to_numpy(dtype=float) * 100).astype(np.int64)


def openings(table: pd.DataFrame) -> pd.Series:
    """Cents before the first row of each account, for rows in their order."""
    start = cents(table["balance"]) - cents(table["amount"]) * table["kind"].map(SIGNS).to_numpy()
    return pd.Series(start).groupby(table["who"].to_numpy(), sort=False).first()


def add_up(table: pd.DataFrame, before: pd.Series | None = None) -> np.ndarray:
    """Which rows do, with what stands before the first ones of accounts, in cents."""
    owner, total = table["who"].to_numpy(), cents(table["balance"])
    last = pd.Series(total).groupby(owner).shift()
    if before is not None:
        last = last.fillna(pd.Series(owner).map(before))
    change = cents(table["amount"]) * table["kind"].map(SIGNS).to_numpy()
    known = last.notna().to_numpy()
    assert known.any()
    return (last.to_numpy() + change == total)[known]


@pytest.fixture(scope="module")
def accounts() -> pd.DataFrame:
    return draw_accounts()


@pytest.fixture(scope="module")
def shuffled(accounts) -> pd.DataFrame:
    """The same with the order lost."""
    return accounts.sample(frac=1, random_state=1).reset_index(drop=True)


@pytest.fixture(scope="module")
def fitted(shuffled) -> SequenceSynthesizer:
    made = SequenceSynthesizer(entity="who", time="day", max_steps=8, random_state=0, protect=Protection(min_count=2))
    return made.fit(shuffled)


def test_it_is_found_and_the_lost_order_comes_back(accounts, shuffled, fitted):
    rule = fitted.encoder_.running_
    assert (rule.total, rule.amount, rule.by, rule.signs) == ("balance", "amount", "kind", SIGNS)
    order = fitted.encoder_.encode(shuffled).order
    assert not add_up(shuffled.sort_values(["who", "day"], kind="stable")).all()
    assert add_up(shuffled.iloc[order]).mean() > 0.98  # a walk that comes back to where it was may close too early
    found = fitted.encoder_.encode(accounts)
    assert set(found.entities["(opening)"]) == {50.0, 80.0}


def test_drawn_rows_add_up_from_openings_of_their_law(accounts, fitted):
    got = fitted.sample(200, seed=1)
    assert add_up(got).all() and (got.dtypes == accounts.dtypes).all() and list(got) == list(accounts)
    assert (got["balance"].to_numpy() == cents(got["balance"]) / 100).all()
    start = openings(got)
    assert start.isin([5_000, 8_000]).mean() > 0.95
    assert 0.3 < (start == 5_000).mean() < 0.7


def test_a_condition_on_the_amount_is_followed_and_one_on_the_total_refused(fitted):
    got = fitted.sample(30, where={"kind": "in", "amount": 12.34}, seed=1)
    assert (got["amount"] == 12.34).all() and add_up(got).all()
    with pytest.raises(ConditionError, match="running total of 'amount'"):
        fitted.sample(3, where={"balance": 100.0})


def test_going_on_starts_from_the_last_total(accounts, shuffled, fitted):
    last = accounts.groupby("who")["balance"].last().mul(100).round()
    got = fitted.extend(accounts, 3, seed=1)
    assert add_up(got, last).all()
    fan = fitted.extend(shuffled, 2, n=2, seed=1)
    assert add_up(fan.loc[0]).all() and add_up(fan.loc[1]).all()


def test_the_rule_is_saved(accounts, fitted, tmp_path):
    fitted.save(tmp_path / "accounts")
    again = SequenceSynthesizer.load(tmp_path / "accounts")
    assert again.encoder_.running_ == fitted.encoder_.running_
    pd.testing.assert_frame_equal(again.sample(20, seed=1), fitted.sample(20, seed=1))
    pd.testing.assert_frame_equal(again.extend(accounts, 2, seed=1), fitted.extend(accounts, 2, seed=1))


# -------------------------------------------------------------------- gaps
@pytest.fixture(scope="module")
def daily(accounts) -> pd.DataFrame:
    """One booking a day, so that the order of rows is given."""
    accounts = accounts[accounts["who"].isin(pd.unique(accounts["who"])[:20])]
    rank = accounts.groupby("who").cumcount()
    return accounts.assign(day=pd.Timestamp("2021-01-04") + pd.to_timedelta(rank, "D"))


@pytest.mark.parametrize("mode", ["draw", "point"])
def test_what_follows_from_known_cells_is_exact(daily, fitted, mode):
    rank = daily.groupby("who").cumcount()
    holed = daily.copy()
    holed.loc[rank.isin([0, 1, 3]), "balance"] = np.nan  # the first ones backward, the other forward
    holed.loc[(rank == 5) & (np.arange(len(daily)) % 2 == 0), "amount"] = np.nan
    got = fitted.impute(holed, mode=mode, seed=1)
    pd.testing.assert_frame_equal(got, daily)


def test_unknown_amounts_move_the_totals_that_are_not_known(daily, fitted):
    rank = daily.groupby("who").cumcount()
    size = daily.groupby("who")["who"].transform("size")
    holed = daily.copy()
    holed.loc[rank.isin([2, 3]), ["amount", "balance"]] = np.nan
    got = fitted.impute(holed, seed=1)
    kept = holed.notna()
    assert got.notna().all(axis=None) and (got[list(holed)].where(kept) == holed.where(kept))[kept].all(axis=None)
    right = pd.Series(True, index=got.index)
    right[got.groupby("who").cumcount() > 0] = add_up(got)
    # The total of row 3 follows from that of row 4: a draw that went beyond it leaves no amount of the known kind.
    assert right[rank != 3].all() and right[rank == 3].any()
    moved = np.diff(cents(got["balance"]), prepend=0) * got["kind"].map(SIGNS).to_numpy()
    assert (moved[~right] < 0).all() and (right | (size > 4)).all()


def test_an_account_without_any_known_total_opens_by_its_law(daily, fitted):
    holed = daily.copy()
    holed["balance"] = holed["balance"].where(holed["who"] != "a3")
    got = fitted.impute(holed, seed=1)
    assert add_up(got).all() and openings(got)["a3"] in (5_000, 8_000)


# -------------------------------------------------------------------- recognition
def encoder(table: pd.DataFrame, **roles) -> SequenceEncoder:
    return SequenceEncoder(**{"entity": "who", "time": "day", **roles}).fit(table)


def test_one_sign_for_all_needs_no_other_column(accounts):
    spent = accounts.assign(balance=(9_000 - accounts.groupby("who")["amount"].cumsum()).round(2)).drop(columns="kind")
    rule = encoder(spent).running_
    assert (rule.total, rule.amount, rule.by, rule.sign) == ("balance", "amount", None, -1)
    rose = spent.assign(balance=(100 - spent["balance"]).round(2))
    assert encoder(rose).running_.sign == 1


@pytest.mark.parametrize("other", ["noise", "counter", "fewer", "unordered"])
def test_what_only_looks_like_it_is_left_alone(accounts, other):
    rng = np.random.default_rng(3)
    table = accounts.copy()
    roles = {}
    if other == "noise":
        table["balance"] = rng.permutation(table["balance"])
    elif other == "counter":
        table["balance"], table["amount"] = table.groupby("who").cumcount() + 1.0, 1.0
        table.loc[table.index[::29], "amount"] = 2.0
        table["balance"] = table.groupby("who")["amount"].cumsum()
    elif other == "fewer":
        wrong = rng.random(len(table)) < 0.1
        table["balance"] = (table["balance"] + 7 * wrong).round(2)
    else:
        roles = {"time": None}
    assert encoder(table, **roles).running_ is None


def test_small_whole_numbers_do_not_add_up_by_chance():
    rng = np.random.default_rng(0)
    for _ in range(5):
        who = np.repeat(np.arange(100), 12)
        table = pd.DataFrame({"who": who, "day": np.tile(np.arange(12) // 4, 100)})
        for name in ("a", "b", "c"):
            table[name] = rng.integers(0, 8, len(who))
        table["flag"] = rng.choice(["x", "y"], len(who))
        assert encoder(table).running_ is None


def test_rows_that_come_back_are_put_in_order():
    """A deposit and a withdrawal of the same amount on one day: only the day before tells which was first."""
    table = pd.DataFrame({"who": 0, "day": [1, 2, 2, 3], "total": [5.0, 5.0, 9.0, 6.0], "move": [5.0, -4.0, 4.0, 1.0]})
    many = pd.concat([table.assign(who=k, total=table["total"] + 10 * k) for k in range(40)], ignore_index=True)
    many["move"] = np.where(many["day"] == 1, many["total"], many["move"])
    rule = find_running(many, many["who"].to_numpy(), many["day"].to_numpy(), encoder(many).schema_, ["total", "move"])
    assert rule is not None and (rule.total, rule.amount, rule.sign) == ("total", "move", 1)
    parts = rule.parts(many, encoder(many).schema_.columns)
    order = chained(parts, many["who"].to_numpy(), many["day"].to_numpy(), rule.slack)
    assert order[:8].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
