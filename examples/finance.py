"""Bank accounts drawn from a known law: conditions, what-if rows, and a privacy check against two culprits.

    python examples/finance.py            a minute or two
    python examples/finance.py --quick    some seconds, rougher figures

As the law is known, what the synthesizer says can be compared with the truth.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from synthkit import TabularSynthesizer, between, metrics


def draw_accounts(rows: int, seed: int) -> pd.DataFrame:
    """The law: a segment sets balance and limit; 70 % of the advances are exactly zero; advances drive defaults."""
    rng = np.random.default_rng(seed)
    segment = rng.choice(["retail", "private", "business"], rows, p=[0.7, 0.1, 0.2])
    level = pd.Series(segment).map({"retail": 7.0, "private": 9.5, "business": 8.5}).to_numpy()
    advance = np.where(rng.random(rows) < 0.7, 0.0, np.exp(rng.normal(level - 1.5, 0.7))).round(2)
    chance = 1 / (1 + np.exp(3 - 2.5 * (advance > 0) - 0.8 * (segment == "business")))
    opened = pd.Timestamp("2015-01-01") + pd.to_timedelta(rng.integers(0, 3650, rows), "D")
    table = pd.DataFrame(
        {
            "account": [f"AC{number:09d}" for number in rng.integers(0, 10**9, rows)],
            "segment": segment,
            "opened": opened,
            "balance": np.exp(rng.normal(level, 0.9)).round(2),
            "limit": (500 * rng.integers(1, 5, rows) * np.where(segment == "retail", 1, 4)).astype(int),
            "advance": advance,
            "last_login": opened + pd.to_timedelta(rng.integers(1, 400, rows), "D"),
            "defaulted": rng.random(rows) < chance,
        }
    )
    table.loc[rng.random(rows) < 0.15, "last_login"] = pd.NaT
    return table


def compare_laws(table: pd.DataFrame, synthetic: pd.DataFrame) -> None:
    """What both tables say of the same questions."""
    questions = {
        "share of zero advances": lambda t: (t["advance"] == 0).mean(),
        "median balance, retail": lambda t: t.loc[t["segment"] == "retail", "balance"].median(),
        "median balance, private": lambda t: t.loc[t["segment"] == "private", "balance"].median(),
        "default rate, no advance": lambda t: t.loc[t["advance"] == 0, "defaulted"].mean(),
        "default rate, some advance": lambda t: t.loc[t["advance"] > 0, "defaulted"].mean(),
        "share without a login": lambda t: t["last_login"].isna().mean(),
    }
    print(f"\n{'question':<30}{'real':>10}{'synthetic':>12}")
    for label, ask in questions.items():
        print(f"{label:<30}{ask(table):>10.2f}{ask(synthetic):>12.2f}")


def stress(synthesizer: TabularSynthesizer) -> None:
    """Rows under conditions that few real rows meet."""
    where = {"segment": ["private", "business"], "advance": between(5000, None), "opened": between("2024-01-01", None)}
    rows = synthesizer.sample(500, where=where, seed=1)
    print("\n500 accounts, private or business, opened since 2024, with an advance of 5,000 or more; the first three:")
    print(rows.head(3).to_string(index=False))
    met = rows["advance"].ge(5000) & rows["opened"].ge("2024-01-01") & rows["segment"].isin(where["segment"])
    print(f"rows that meet all conditions: {met.mean():.0%}; {rows['defaulted'].mean():.0%} of the accounts default")


def what_if(synthesizer: TabularSynthesizer, table: pd.DataFrame) -> None:
    """The same accounts with and without an advance: keep some cells, change one, draw what follows from it."""
    base = table.loc[table["segment"] == "business", ["segment", "limit"]].sample(2000, replace=True, random_state=0)
    print("\nwhat if business accounts took an advance? (2,000 accounts; the law says 0.10 and 0.57)")
    for label, advance in (("no advance", 0.0), ("an advance of 1,500", 1500.0)):
        rows = synthesizer.sample(where=base.assign(advance=advance).reset_index(drop=True), seed=2)
        print(f"  {label:<22}default rate {rows['defaulted'].mean():.2f}")


def check_privacy(synthetic: pd.DataFrame, table: pd.DataFrame, holdout: pd.DataFrame) -> None:
    """Synthetic rows beside fresh real ones, and beside two culprits that a check must tell apart."""
    kinds = {name: kind for name, kind in metrics.kinds_of(table).items() if name != "account"}
    rng = np.random.default_rng(0)
    # as many judges as training rows: the nearest of more rows is nearer, so a fair race is between equals
    fresh, rest = holdout.iloc[: len(table)], holdout.iloc[len(table) :]
    copied = table.sample(len(table), replace=True, random_state=0)
    loose = pd.DataFrame({name: table[name].to_numpy()[rng.permutation(len(table))] for name in table})
    print(f"\n{'table':<32}{'nearer to training':>20}{'membership AUC':>16}{'copies':>9}{'pair error':>12}")
    for label, rows in (
        ("synthetic", synthetic),
        ("fresh real rows", fresh),
        ("training rows, drawn again", copied),
        ("columns shuffled apart", loose),
    ):
        near = metrics.dcr_share(rows, table, rest, kinds=kinds)
        attack = metrics.mia_auc(rows, table, rest, kinds=kinds)
        copies, pair = metrics.copy_rate(rows, table, kinds=kinds), metrics.pair_error(table, rows, kinds=kinds).value
        print(f"{label:<32}{near:>20.3f}{attack:>16.3f}{copies:>9.3f}{pair:>12.3f}")
    print("(0.5, 0.5 and 0 are best for privacy. These figures rule out copying; they prove no anonymity.)")
    shared = len(set(synthetic["account"]) & set(table["account"]))
    print(f"account numbers are made up: all different: {synthetic['account'].is_unique}, {shared} equal to a real one")


def main(arguments: list[str] | None = None) -> None:
    """The whole story."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rows and training steps")
    options = parser.parse_args(arguments)
    rows = 1500 if options.quick else 6000
    table, holdout = draw_accounts(rows, seed=0), draw_accounts(2 * rows, seed=1)
    print(f"{len(table)} accounts to learn from, {len(holdout)} held out")
    synthesizer = TabularSynthesizer(random_state=0, max_steps=300 if options.quick else None, max_seconds=90)
    synthesizer.fit(table)
    print(f"{synthesizer.choice_} {synthesizer.n_steps_} steps")
    synthetic = synthesizer.sample(len(table), seed=0)
    compare_laws(table, synthetic)
    stress(synthesizer)
    what_if(synthesizer, table)
    check_privacy(synthetic, table, holdout)


if __name__ == "__main__":
    main()
