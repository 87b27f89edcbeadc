"""A bank's table of customers for a test team: a database goes in, a tested copy comes out into another database.

    python examples/test_database.py            a minute or so
    python examples/test_database.py --quick    some seconds

The customers are invented here, but treated as if they were real: names, addresses, telephone numbers and IBANs are
never learnt and come out fresh, with valid check digits; rare values and extreme amounts do not come back; attacks
compare the copy with customers that were held back; and a certificate says what was tested.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from synthkit import anonymize, detect_pii
from synthkit.errors import PrivacyError

FIRST = ["Anna", "Jonas", "Mia", "Paul", "Lena", "Felix", "Emma", "Lukas", "Marie", "Noah", "Clara", "Ben"]
LAST = ["Maier", "Schulz", "Weber", "Koch", "Bauer", "Wolf", "Neumann", "Braun", "Krause", "Hofmann", "Lang", "Vogt"]
CITIES = ["Berlin", "Hamburg", "Köln", "Leipzig", "Essen", "Bremen"]
SEGMENTS = ["student", "employee", "self-employed", "retired"]


def german_iban(bank: int, account: int) -> str:
    """An IBAN with its check digits (ISO 13616): 98 less the remainder by 97, with D and E read as 13 and 14."""
    bban = f"{bank:08d}{account:010d}"
    return f"DE{98 - int(bban + '131400') % 97:02d}{bban}"


def valid_iban(text: str) -> bool:
    """Is the remainder by 97 equal to 1?"""
    moved = text[4:] + text[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def invent_customers(rows: int, seed: int) -> pd.DataFrame:
    """The bank's table, which the rest of this file treats as real."""
    rng = np.random.default_rng(seed)
    first, last = rng.choice(FIRST, rows), rng.choice(LAST, rows)
    segment = rng.choice(SEGMENTS, rows, p=[0.15, 0.55, 0.12, 0.18])
    age = np.clip(
        np.select([segment == "student", segment == "retired"], [23, 71], 43) + 6 * rng.normal(size=rows), 18, 96
    )
    income = np.select([segment == "student", segment == "retired"], [900, 1900], 3100) * np.exp(
        0.35 * rng.normal(size=rows)
    )
    opened = pd.Timestamp("2024-12-31") - pd.to_timedelta((rng.random(rows) * (age - 17) * 365 * 0.8).astype(int), "D")
    late = rng.random(rows) < 1 / (1 + np.exp(2.2 + (income - 2000) / 1500))
    return pd.DataFrame(
        {
            "customer_id": np.arange(100_001, 100_001 + rows),
            "name": [f"{a} {b}" for a, b in zip(first, last, strict=True)],
            "email": [
                f"{a}.{b}{k}@mail{k % 7}.de".lower() for k, (a, b) in enumerate(zip(first, last, strict=True), start=11)
            ],
            "phone": [f"+49 30 {n:07d}" for n in rng.choice(9_000_000, rows, replace=False) + 1_000_000],
            "iban": [german_iban(37040044, int(a)) for a in rng.choice(10**9, rows, replace=False)],
            "opened": opened,
            "city": rng.choice(CITIES, rows, p=[0.3, 0.22, 0.18, 0.12, 0.1, 0.08]),
            "segment": segment,
            "age": age.round().astype(int),
            "monthly_income": income.round(2),
            "balance": (income * rng.gamma(1.5, 1.2, rows) - 1500 * late).round(2),
            "in_arrears": late,
        }
    )


def main(quick: bool = False, folder: Path | None = None) -> None:
    """Database in, database out."""
    folder = Path(tempfile.mkdtemp(prefix="synthkit-")) if folder is None else folder
    source, target = folder / "bank.sqlite", folder / "test.sqlite"
    with sqlite3.connect(source) as bank:
        invent_customers(500 if quick else 4000, seed=7).to_sql("customers", bank, index=False)
        customers = pd.read_sql("SELECT * FROM customers", bank, parse_dates=["opened"])
    bank.close()
    customers["in_arrears"] = customers["in_arrears"].astype(bool)  # SQLite keeps booleans as integers
    print(f"{len(customers)} customers. What identifies a person, by name and form of the columns:")
    print(detect_pii(customers))

    try:
        safe = anonymize(
            customers,
            entity="customer_id",
            secrets=["in_arrears"],
            quasi_identifiers=["city", "segment"],
            undecided="note" if quick else "refuse",
            purpose="load tests of the customer portal",
            recipients="the test team",
            random_state=1,
        )
    except PrivacyError as refusal:
        print(f"no copy for the test team: {refusal}")
        raise SystemExit(1) from None
    copy = safe.table
    print(f"\nthe first rows of the copy:\n{copy.head(3).T.to_string()}\n")
    with sqlite3.connect(target) as tests:
        copy.to_sql("customers", tests, index=False)
        back = pd.read_sql("SELECT * FROM customers", tests, parse_dates=["opened"])
    tests.close()

    valid = back["iban"].map(valid_iban).mean()
    shared = {name: len(set(back[name]) & set(customers[name])) for name in ("customer_id", "email", "phone", "iban")}
    print(f"valid IBANs: {valid:.0%}; dates from {back['opened'].min():%Y-%m-%d} to {back['opened'].max():%Y-%m-%d}")
    print("values of the real table that come back: " + ", ".join(f"{n} {k}" for n, k in shared.items()))
    for name in ("monthly_income", "balance"):
        print(f"{name}: mean {back[name].mean():,.0f} (real {customers[name].mean():,.0f})")
    for name, table in (("real", customers), ("copy", back)):
        shares = table.groupby("segment")["in_arrears"].mean()
        print(f"in arrears, {name}: " + ", ".join(f"{segment} {share:.0%}" for segment, share in shares.items()))

    print(f"\n{safe.certificate}")
    page = safe.certificate.to_html(folder / "certificate.html")
    print(f"\nthe copy:                      {target}\nthe certificate, to be signed: {page}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder", type=Path, help="for the two databases and the certificate; by default a new one")
    options = parser.parse_args()
    main(options.quick, options.folder)
