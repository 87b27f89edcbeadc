"""The canary audit: rows are planted into the table, others like them are withheld; does the release tell which?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthkit.auditing.bounds import clopper_pearson, one_run_epsilon
from synthkit.auditing.figures import attack_dict, attack_line
from synthkit.auditing.fits import Subject, likelihoods
from synthkit.auditing.planting import make_canaries, planted_table
from synthkit.errors import SchemaError
from synthkit.metrics.attacks import Attack, mia_likelihood
from synthkit.metrics.copies import row_hashes
from synthkit.metrics.neighbours import TIE, nearest, place
from synthkit.metrics.rates import difference
from synthkit.metrics.tables import code_tables
from synthkit.params import Interval, SequenceOf, check
from synthkit.runtime import entropy
from synthkit.synthesizers import TabularSynthesizer

__all__ = ["CanaryAudit", "canaries"]

_LEAST = 20
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CanaryAudit:
    """What came back of the canaries. Holds counts and rates, no row.

    Attributes:
        planted, withheld: canaries of each kind.
        returned, returned_withheld: those that the synthetic table has exactly.
        beyond: rate of return of the planted less that of the withheld; interval: its 95 % interval (from two exact
            ones, Newcombe 1998).
        rows: the attack by distance on the synthetic table (an ``Attack``: AUC, TPR at 1 % false alarms, intervals).
        model: the attack by likelihood on the model itself; None where it has none.
        epsilon, epsilon_model: lower bounds of epsilon at 95 %, from rows and from the model, of *all copies of a
            canary together* (one person with so many rows); see :func:`synthkit.auditing.bounds.one_run_epsilon`.
        by_repeats: a line per number of copies: planted, returned, AUC by rows and by the model.
        drawn: synthetic rows looked at; seed: of everything.
    """

    planted: int
    withheld: int
    returned: int
    returned_withheld: int
    beyond: float
    interval: tuple[float, float]
    rows: Attack
    model: Attack | None
    epsilon: float
    epsilon_model: float | None
    by_repeats: pd.DataFrame
    drawn: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain numbers, for JSON; NaN becomes None."""
        out: dict[str, Any] = {
            "planted": self.planted,
            "withheld": self.withheld,
            "returned": self.returned,
            "returned_withheld": self.returned_withheld,
            "beyond": self.beyond,
            "beyond_interval": list(self.interval),
            "rows": attack_dict(self.rows),
            "model": "not tested" if self.model is None else attack_dict(self.model),
            "epsilon_at_least": self.epsilon,
            "epsilon_at_least_model": "not tested" if self.epsilon_model is None else self.epsilon_model,
            "drawn": self.drawn,
            "seed": self.seed,
        }
        return out

    def __str__(self) -> str:
        model = "not tested (no likelihood)" if self.model is None else attack_line(self.model)
        bound = "" if self.epsilon_model is None else f", {self.epsilon_model:.2f} (model)"
        return "\n".join(
            [
                f"canary audit: {self.planted} planted, {self.withheld} withheld, {self.drawn:,} rows drawn",
                f"  came back exactly: {self.returned} planted, {self.returned_withheld} withheld "
                f"(beyond chance {self.beyond:.3f} in [{self.interval[0]:.3f}, {self.interval[1]:.3f}])",
                f"  from the rows: {attack_line(self.rows)}",
                f"  from the model: {model}",
                f"  epsilon is at least {self.epsilon:.2f} (rows){bound}; a low bound proves nothing",
            ]
        )


def canaries(
    df: pd.DataFrame,
    *,
    synthesizer: Any | None = None,
    count: int | None = None,
    repeats: Sequence[int] = (1, 2, 4),
    common: int = 20,
    times: int = 1,
    random_state: int = 0,
) -> CanaryAudit:
    """Plant rows that nobody else could have, fit, draw, and look which of them the release gives away.

    A canary is made of common values, unique only as a combination, so that no rule about rare values protects it.
    A fair coin decides which are planted (each ``repeats`` times in turn) and which withheld; rules that the table
    shows hold in canaries, too. One fit. What the withheld ones do is the control.

    Args:
        df: the real rows; stay as they are.
        synthesizer: fitted or not, only its parameters are used; None: ``TabularSynthesizer()``. Any object with
            ``fit(table)`` and ``sample(n, seed=...)`` will do.
        count: canaries in all; by default 200, or a tenth of the rows if those are less, 20 at least. Many canaries
            among few rows change what is learnt.
        repeats: how many times a planted one is put in, in turn; copies of one are one entity's.
        common: rows that must have a value for it to be common.
        times: synthetic rows drawn, as a multiple of the real ones.
        random_state: of canaries, coins, fit and draw.

    Raises:
        ParamError: an argument is out of its set. SchemaError: fewer than 100 rows, or too few combinations.

    >>> rng = np.random.default_rng(0)
    >>> table = pd.DataFrame({name: rng.integers(0, 5, 400).astype(str) for name in "abcdef"})
    >>> found = canaries(table, synthesizer=TabularSynthesizer("independent"))
    >>> found.planted + found.withheld, found.returned - found.returned_withheld < 5
    (40, True)
    """
    check("canaries", "repeats", repeats, SequenceOf(Interval(int, 1, 100)))
    check("canaries", "common", common, Interval(int, 1))
    check("canaries", "times", times, Interval(int, 1, 1000))
    check("canaries", "random_state", random_state, Interval(int, 0))
    subject = Subject("canaries", df, synthesizer)
    if len(df) < 100:
        raise SchemaError("canaries: argument 'df' needs at least 100 rows to hide canaries among.")
    count = max(min(200, len(df) // 10), _LEAST) if count is None else count
    check("canaries", "count", count, Interval(int, _LEAST, len(df)))
    rng = np.random.default_rng(random_state)
    made = make_canaries(subject, count, common, rng)
    coins = rng.random(count) < 0.5
    copies = np.where(coins, np.resize(np.asarray(repeats, np.int64), count), 0)
    fitted = subject.fit(planted_table(subject, made, copies, rng), entropy(random_state, 1))
    drawn = subject.draw(fitted, len(df) * times, entropy(random_state, 2))
    back, near = _seen(subject, made, drawn)
    model = _likelier(subject, made, fitted, random_state)
    return _judged(copies, back, near, model, len(drawn), random_state)


def _seen(subject: Subject, made: pd.DataFrame, drawn: pd.DataFrame) -> tuple[NDArray[np.bool_], Floats]:
    """Per canary: is it among the rows drawn, and how much nearer are these than the real ones?"""
    s, c, t = code_tables(drawn, made, subject.table, kinds=subject.kinds)
    (hash_s, _), (hash_c, _) = row_hashes(s, c)
    base, points, real = place(t, (s, c, t))
    to_drawn, to_real = (nearest(points, x, 1)[0].distance[:, 0].astype(np.float64) for x in (base, real))
    nearer: Floats = np.log((to_real + TIE) / (to_drawn + TIE))
    return np.isin(hash_c, hash_s), np.round(nearer, 4)


def _likelier(subject: Subject, made: pd.DataFrame, fitted: Any, seed: int) -> Floats | None:
    """Per canary: log-likelihood less that of independent columns, which a canary is drawn from."""
    frame = planted_like(subject, made)
    own = likelihoods(fitted, frame)
    if own is None:
        return None
    state = entropy(seed, 3) % 2**31
    plain = TabularSynthesizer("independent", schema=subject.schema, random_state=state, **subject.roles())
    base = likelihoods(plain.fit(subject.table), frame)
    return own if base is None else own - base


def planted_like(subject: Subject, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with entity and weight of some real one, where the synthesizer wants to see them."""
    out = rows.reset_index(drop=True)
    for name in subject.table.columns:
        if name not in subject.kinds:
            out[name] = subject.table[name].iloc[0]
    return out[list(subject.table.columns)].astype(subject.table.dtypes)


def _judged(
    copies: NDArray[np.int64], back: NDArray[np.bool_], near: Floats, model: Floats | None, drawn: int, seed: int
) -> CanaryAudit:
    planted = copies > 0
    many = int(planted.sum()), int((~planted).sum())
    if not min(many):
        raise SchemaError("canaries: the coins planted all or none; take another 'random_state', or more canaries.")
    hits = int(back[planted].sum()), int(back[~planted].sum())
    rates = [h / n for h, n in zip(hits, many, strict=True)]
    ends = [clopper_pearson(h, n) for h, n in zip(hits, many, strict=True)]
    lines = []
    for times in np.unique(copies[planted]):
        at = copies == times
        line: dict[str, float] = {"copies": int(times), "planted": int(at.sum()), "returned": int(back[at].sum())}
        line["auc_rows"] = mia_likelihood(near[at], near[~planted]).auc
        line["auc_model"] = math.nan if model is None else mia_likelihood(model[at], model[~planted]).auc
        lines.append(line)
    return CanaryAudit(
        *many,
        *hits,
        rates[0] - rates[1],
        difference(rates[0], ends[0], rates[1], ends[1]),
        mia_likelihood(near[planted], near[~planted], seed=seed),
        None if model is None else mia_likelihood(model[planted], model[~planted], seed=seed),
        one_run_epsilon(near, planted, seed=seed),
        None if model is None else one_run_epsilon(model, planted, seed=seed),
        pd.DataFrame(lines),
        drawn,
        seed,
    )
