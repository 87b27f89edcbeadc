"""Tiny tables and tensors drawn from laws that are known in full, so that a check can count out what is right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from synthkit.layout import Encoded, Field, Layout

__all__ = ["DiscreteLaw", "tiny_encoded", "tiny_law", "tiny_layout", "tiny_table"]


@dataclass(frozen=True)
class DiscreteLaw:
    """A law of few states: every conditional is a sum over them.

    Attributes:
        layout: coded fields only; states: one row per state, all its applicable entries known;
        probability: ``(states,)``, summing to 1.
    """

    layout: Layout
    states: Encoded
    probability: Tensor

    def draw(self, rows: int, seed: int = 0) -> Encoded:
        """``rows`` independent rows of the law."""
        generator = torch.Generator().manual_seed(seed)
        return self.states.take(torch.multinomial(self.probability, rows, True, generator=generator))

    def frequency(self, data: Encoded) -> Tensor:
        """``(states,)`` shares of ``data``'s rows; a row that is no state counts nowhere."""
        return _same(data, self.states).double().mean(0) if len(data) else torch.zeros(len(self.states)).double()

    def matches(self, partial: Encoded) -> Tensor:
        """``(rows, states)`` bool: does the state agree with what the row knows?"""
        known, cat = partial.cat_known[:, None], partial.cat[:, None].long()
        agrees = (cat == self.states.cat[None].long()) & self.states.cat_known[None]
        return (agrees | ~known).all(2)

    def given(self, partial: Encoded, weights: Tensor | None = None) -> Tensor:
        """``(rows, states)``: the conditional law given what each row knows, by brute force.

        Args:
            weights: ``(states,)`` factors of the probabilities, for set-valued conditions.
        """
        law = self.probability if weights is None else self.probability * weights
        joint = self.matches(partial) * law
        return joint / joint.sum(1, keepdim=True)


def _same(a: Encoded, b: Encoded) -> Tensor:
    """``(rows of a, rows of b)`` bool: equal in what is known and in its values."""
    values = [torch.where(x.cat_known, x.cat.long(), -1) for x in (a, b)]
    return (values[0][:, None] == values[1][None]).all(2)


def tiny_law() -> DiscreteLaw:
    """Three columns, the second nullable: codes a < 3, b < 2 or null, c < 2; 18 states, all dependent on each other.

    >>> law = tiny_law()
    >>> len(law.states), round(float(law.probability.sum()), 6), law.layout.n_cat
    (18, 1.0, 4)
    """
    layout = Layout((Field(0, "code", 3), Field(1, "null", 2), Field(1, "code", 2, (1, (0,))), Field(2, "code", 2)))
    states = layout.empty(18)
    weight = torch.zeros(18, dtype=torch.float64)
    for row in range(18):
        a, b, c = row // 6, row // 2 % 3, row % 2
        null = b == 2
        states.cat[row] = torch.tensor([a, int(null), 0 if null else b, c])
        states.cat_known[row] = torch.tensor([True, True, not null, True])
        weight[row] = np.exp(0.9 * (a - 1) * (2 * c - 1) + 0.7 * (b - 1) * (2 * c - 1) + 0.4 * (b == a))
    return DiscreteLaw(layout, states, weight / weight.sum())


def tiny_layout() -> Layout:
    """Every kind of field: a code, a number with spikes and gaps, a lone null flag, a date with a weekday."""
    return Layout(
        (
            Field(0, "code", 3),
            Field(1, "null", 2),
            Field(1, "code", 4, (1, (0,)), ordered=True),
            Field(1, "offset", 0, (2, (1, 2))),
            Field(2, "null", 2),
            Field(3, "code", 5, ordered=True),
            Field(3, "offset", 0, (5, (0, 1, 2, 3, 4))),
            Field(3, "weekday", 7),
        )
    )


def tiny_encoded(rows: int, seed: int = 0) -> Encoded:
    """Training rows of :func:`tiny_layout`: codes follow one hidden normal score, offsets are uniform."""
    layout, rng = tiny_layout(), np.random.default_rng(seed)
    data = layout.empty(rows)
    z = rng.normal(size=rows)

    def code(size: int) -> Tensor:
        noisy = z + 0.5 * rng.normal(size=rows)
        return torch.from_numpy(np.clip(np.floor((noisy + 2) / 4 * size), 0, size - 1).astype(np.uint8))

    for i in layout.cat:
        data.cat[:, layout.slot[i]] = code(layout.fields[i].size)
    for i in layout.num:
        data.num[:, layout.slot[i]] = torch.from_numpy(rng.random(rows).astype(np.float32))
    data.num_known[:], data.cat_known[:] = True, True
    num, cat = layout.applies(data)
    return data.hide(~num, ~cat)


def tiny_table(rows: int = 200, seed: int = 0) -> pd.DataFrame:
    """A table of mixed types with gaps: y follows x, g follows x, n is a count with gaps, b a coin, d a date.

    >>> list(tiny_table(3))
    ['x', 'y', 'g', 'n', 'b', 'd']
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    table = pd.DataFrame(
        {
            "x": x,
            "y": (0.8 * x + 0.6 * rng.normal(size=rows)).round(2),
            "g": pd.Categorical(np.where(x + rng.normal(size=rows) > 0, "high", "low"), categories=["low", "high"]),
            "n": pd.array(rng.poisson(3, rows), dtype="Int64"),
            "b": rng.random(rows) < 0.5,
            "d": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, rows), "D"),
        }
    )
    table.loc[table.index[::9], "n"] = pd.NA
    return table
