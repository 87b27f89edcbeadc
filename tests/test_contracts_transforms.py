"""Contracts of column transformers, over the registry: every check on every example column of every type."""

from __future__ import annotations

import numpy as np
import pytest

from synthkit.schema import (
    Boolean,
    Categorical,
    Constant,
    Datetime,
    Duration,
    Empty,
    Identifier,
    Numeric,
    Personal,
    Text,
)
from synthkit.testing import TRANSFORMER_CHECKS, TransformerCase, check_transformer
from synthkit.transforms import TRANSFORMERS
from synthkit.transforms.counts import CAP, NumberCounts

RNG = np.random.default_rng(0)
DAY = 86_400_000_000_000
N = 240


def objects(values) -> np.ndarray:
    out = np.empty(len(values), dtype=object)
    out[:] = list(values)
    return out


def words(n: int) -> np.ndarray:
    return objects([f"secret{v:012d}" for v in RNG.integers(10**11, 10**12, n)])


def numeric(values, kind: Numeric, **more) -> TransformerCase:
    values = np.asarray(values)
    low, high = values.min(), values.max()
    between = low // 2 + high // 2 if values.dtype.kind == "i" else low / 2 + high / 2
    unseen = np.array([low, between, high], values.dtype)
    return TransformerCase(kind, values, unseen, **more)


INTEGER, REAL = Numeric(integer=True), Numeric(integer=False)
LETTERS = objects(list("abcdefgh") + ["rare"])
WORKDAYS = np.array([d for d in range(18000, 20000) if (d + 3) % 7 < 5])
MONTHS = np.arange("1990-01", "2020-01", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int64)
CASES = {
    "small integers": numeric(RNG.integers(0, 12, N), INTEGER),
    "integers on a grid": numeric(RNG.integers(-40, 40, N) * 25, INTEGER),
    "distinct integers": numeric(RNG.permutation(10**6)[:N] + 10**9, INTEGER, rare_is_secret=True),
    "huge integers": numeric(RNG.integers(2**61, 2**61 + 10**9, N), INTEGER, rare_is_secret=True),
    "huge integers of both signs": numeric(RNG.integers(-(2**61), 2**61, N), INTEGER, resolution=2.0**10),
    "one voice in zeros": numeric([*[0] * (N - 1), 7_654_321], INTEGER, rare_is_secret=True),
    "whole floats": numeric(RNG.integers(0, 50, N) * 10.0, INTEGER),
    "distinct floats": numeric(RNG.normal(size=N), REAL, rare_is_secret=True),
    "cents": numeric(RNG.gamma(2, 30, N).round(2), Numeric(integer=False, decimals=2)),
    "huge floats": numeric(RNG.normal(size=N) * 1e299, REAL, rare_is_secret=True),
    "tiny floats": numeric(RNG.normal(size=N) * 1e-299, REAL, rare_is_secret=True),
    "spikes": numeric(np.where(RNG.random(N) < 0.6, 0.0, RNG.normal(size=N)), REAL, rare_is_secret=True),
    "bounded": numeric(RNG.random(N), Numeric(integer=False, low=0.0, high=1.0), rare_is_secret=True),
    "categories": TransformerCase(Categorical(), RNG.choice(LETTERS, N, p=[*[0.123] * 8, 0.016]), objects(["no", "x"])),
    "distinct categories": TransformerCase(Categorical(), words(N), objects(["no"]), rare_is_secret=True),
    "ordered categories": TransformerCase(
        Categorical(ordered=True, dtype={"kind": "category", "categories": ["z", "y", "x"], "ordered": True}),
        objects(RNG.choice(["x", "y", "z"], N)),
        objects(["no"]),
    ),
    "declared categories": TransformerCase(Categorical(categories=("a", "b", "never")), objects(["a", "b"] * (N // 2))),
    "number categories": TransformerCase(Categorical(), objects(RNG.integers(0, 5, N).tolist()), objects([77])),
    "booleans": TransformerCase(Boolean(), RNG.random(N) < 0.3),
    "dates over years": TransformerCase(Datetime(), RNG.choice(WORKDAYS, N) * DAY, np.array([0, 30000]) * DAY),
    "few dates": TransformerCase(Datetime(), RNG.integers(18000, 18020, N) * DAY, np.array([0, 30000]) * DAY),
    "months": TransformerCase(Datetime(), RNG.choice(MONTHS, N) * DAY, np.array([18001]) * DAY),
    "moments": TransformerCase(Datetime(), RNG.integers(10**18, 17 * 10**17, N), np.array([0]), rare_is_secret=True),
    "minutes": TransformerCase(Datetime(), RNG.integers(10**6, 2 * 10**6, N) * 15 * 60 * 10**9, np.array([1])),
    "before 1970": TransformerCase(Datetime(), -RNG.integers(1, 20000, N) * DAY, np.array([DAY])),
    "midnights but one": TransformerCase(
        Datetime(),
        np.append(RNG.integers(18000, 20000, N) * DAY, 19000 * DAY + 48_437_123_456_789),
        rare_is_secret=True,
    ),
    "short durations": TransformerCase(Duration(), RNG.integers(0, 500, N) * 60 * 10**9, np.array([1])),
    "days of duration": TransformerCase(Duration(), RNG.integers(0, 3000, N) * DAY, np.array([1])),
    "odd durations": TransformerCase(Duration(), RNG.integers(0, 10**15, N), np.array([1]), rare_is_secret=True),
    "text": TransformerCase(Text(), words(N), rare_is_secret=True),
    "keys": TransformerCase(Identifier(), words(N), rare_is_secret=True),
    "number keys": TransformerCase(Identifier(), RNG.permutation(10**6)[:N] + 10**8, rare_is_secret=True),
    "pattern keys": TransformerCase(Identifier(pattern=r"P-\d{4}"), objects([f"P-{i:04d}" for i in range(N)])),
    "e-mail addresses": TransformerCase(
        Personal(kind="email"), objects([f"{w}@secret.org" for w in words(N)]), rare_is_secret=True
    ),
    "phone numbers": TransformerCase(
        Personal(kind="phone"), RNG.permutation(10**6)[:N] * 997 + 6 * 10**9, rare_is_secret=True
    ),
    "names that repeat": TransformerCase(
        Personal(kind="full_name"), objects([f"Ann {w}" for w in words(9)] * 20), rare_is_secret=True
    ),
    "constant": TransformerCase(Constant(value=7), np.full(N, 7)),
    "empty": TransformerCase(Empty(), objects([])),
}


@pytest.mark.parametrize("check", TRANSFORMER_CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("name", CASES)
def test_contract(name, check):
    case = CASES[name]
    check(TRANSFORMERS[type(case.kind)], case)


def test_every_registered_type_has_an_example():
    assert {type(c.kind) for c in CASES.values()} == set(TRANSFORMERS)


def test_a_contributor_hears_what_is_wrong():
    class Forgetful(TRANSFORMERS[Boolean]):
        def decode(self, entries, rows, rng):
            return np.zeros(rows, dtype=bool)

    with pytest.raises(AssertionError, match="Forgetful fails 'inverse'"):
        check_transformer(Forgetful, [CASES["booleans"]])
    check_transformer(TRANSFORMERS[Boolean], [CASES["booleans"]])


@pytest.mark.parametrize("dtype", [float, np.int64])
def test_beyond_the_cap_ranks_stay_right(dtype):
    values = np.random.default_rng(1).permutation(3 * CAP) + (2**60 if dtype is np.int64 else 0.5)
    values, owner = values.astype(dtype), np.arange(len(values)) // 2
    counts = NumberCounts()
    for piece in range(3):
        at = slice(piece * CAP, (piece + 1) * CAP)
        counts.update(values[at], entity=owner[at])
    assert len(counts.values) <= 2 * CAP and counts.values.dtype == dtype
    assert counts.rows.sum() == 3 * CAP and (counts.support <= counts.rows).all()
    assert np.isclose(counts.voice.sum(), len(np.unique(owner)))
    below = np.cumsum(counts.rows) - counts.rows / 2
    truth = np.searchsorted(np.sort(values), counts.values, side="right")
    assert np.abs(below - truth).max() < 0.001 * 3 * CAP
