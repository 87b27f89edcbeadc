"""How the gaps of a long series are filled: what of several ways errs least on cells that were hidden.

Of each column some known cells are hidden, as its own gaps lie. They are filled by a line, by the last value, by a line
on top of a seasonal profile, and by the linear Gaussian law of all channels (:mod:`synthkit.series.state_space`: a
Kalman smoother of a vector autoregression). A column takes the mixture of the latter and one of the others that errs
least. The law's spread is then held against the errors made: by the distance to the next known cell, and quantile by
quantile, so that draws are as far off as fillings were.

Shapes: T rows, D channels, N empty cells, K draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from synthkit import io
from synthkit.series.gaps import depth, distance, hidden, last, lines
from synthkit.series.scores import ScoreLaw
from synthkit.series.state_space import Gap, LinearLaw
from synthkit.series.unit_root import profile_gain

__all__ = ["METHODS", "PLAIN", "Filled", "SeriesFiller", "Traits"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
METHODS = ("auto", "linear", "last", "seasonal", "kalman")
"""Ways to fill; "auto" mixes "kalman" and one of the others, by column."""
PLAIN = ("linear", "last", "seasonal")
"""Those that know no other column."""
_MIX = (0.0, 0.25, 0.5, 0.75, 1.0)
_BETTER, _CHANCE = 0.01, 0.25  # a mixture must be better than the law by so much: always, and over the root of how many
# stretches of time tell it
_FAR = (1, 2, 4, 8, 16)  # steps to the next known cell: classes of spreads
_SHRINK = 20.0  # stretches of time that a factor of spreads is worth at first
_POOL = 10.0  # and what all columns say of the best mixture
_LEAST = 5  # cells that say something
_CUT = 6.0  # mean errors, and spreads: larger ones count as this
_FEWEST = 60  # cells behind quantiles
_EXPLAINED = 0.01
_NODES = 64
_WIDEST = 50.0  # spreads: a zero among positive numbers has no logarithm
_ARRAYS = ("logs", "centre", "scale", "base", "weight", "spread", "report", "curved")


@dataclass(frozen=True, eq=False)
class Traits:
    """What is known of the channels beforehand.

    Attributes:
        wanders: ``(D,)``; group: ``(D,)`` channels of one entity; bars: places of open, high, low, close.
        limits: ``(2, D)`` what no filling may pass; period: steps of a season whose lag is read, 0: none.
        sizes: places of each season; cycles: rows of each.
    """

    wanders: Bools
    group: Ints
    bars: tuple[tuple[int, int, int, int], ...]
    limits: Floats
    period: int = 0
    sizes: Mapping[str, int] = field(default_factory=dict)
    cycles: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Filled:
    """Fillings of N cells. Attributes: rows, columns: ``(N,)``; mean, median: ``(N,)``; draws: ``(K, N)``."""

    rows: Ints
    columns: Ints
    mean: Floats
    median: Floats
    draws: Floats


@dataclass(eq=False)
class SeriesFiller:
    """See the module.

    Attributes:
        traits: of the channels; logs: ``(D,)`` channels that are filled on a log scale; centre, scale: ``(D,)``.
        profiles: season -> ``(D, places)``; law: of all channels.
        base: ``(3, D)`` which of the plain ways is mixed in; weight: ``(3, D)`` of the law; both next to a known cell,
            deeper in a gap, and at the ends.
        spread: ``(len(_FAR) + 1, D)`` factors on the law's spread; errors: a law per channel of errors over spreads.
        report: ``(4 + 1, 2, D)`` mean absolute and root mean squared error of linear, last, seasonal, law, mixture on
            hidden cells, in spreads of the channel.
    """

    traits: Traits
    logs: Bools
    centre: Floats
    scale: Floats
    profiles: dict[str, Floats]
    law: LinearLaw
    base: Ints
    weight: Floats
    spread: Floats
    errors: list[ScoreLaw]
    report: Floats
    curved: Bools

    # ---------------------------------------------------------------- fitting
    @classmethod
    def fit(
        cls, values: Floats, starts: Ints, places: Mapping[str, Ints], traits: Traits, seed: int, least: int = 1
    ) -> SeriesFiller:
        """Learn ``(T, D)`` values, NaN where empty.

        Args:
            places: of each row in each season, ``(T,)``; least: errors behind each that a law of them stores (or 5).
        """
        d = values.shape[1]
        out = cls.__new__(cls)
        out.traits = traits
        out.logs = _logs(values, starts)
        trial = hidden(values, starts, seed)
        masked = np.where(trial, np.nan, values)
        coded = out._transformed(masked)
        filled = lines(coded, starts)
        out.centre, out.scale = filled.mean(0), np.maximum(filled.std(0), 1e-12)
        out._fit_profiles((filled - out.centre) / out.scale, places)
        x = out._coded(masked, places)
        period = traits.period if out.profiles else 0
        out.law = LinearLaw.fit(x, starts, ~traits.wanders, traits.group, period, seed)
        out.base, out.weight = np.zeros((3, d), np.int64), np.ones((3, d))
        out.spread, out.errors = np.ones((len(_FAR) + 1, d)), []
        gap = out.law.gap(x, starts)
        at = trial[gap.rows, gap.columns]
        out._choose(masked, values, starts, places, gap, at)
        out._calibrate(masked, values, starts, places, gap, at, max(least, _LEAST))
        return out

    def _transformed(self, values: Floats) -> Floats:
        return np.where(self.logs, np.log(np.maximum(values, 1e-300)), values)

    def _coded(self, values: Floats, places: Mapping[str, Ints]) -> Floats:
        """``(T, D)`` what the law is of: (log) values without profiles, of spread about 1."""
        unit = np.clip((self._transformed(values) - self.centre) / self.scale, -_WIDEST, _WIDEST)
        return np.asarray(unit - self._season(places, len(values)))

    def _season(self, places: Mapping[str, Ints], rows: int) -> Floats:
        total = np.zeros((rows, len(self.centre)))
        for name, table in self.profiles.items():
            total += table[:, places[name]].T
        return total

    def _values(self, x: Floats, season: Floats, columns: Ints) -> Floats:
        """Values of numbers ``(..., N)`` of the law in ``columns`` ``(N,)``."""
        out = (x + season) * self.scale[columns] + self.centre[columns]
        out = np.where(self.logs[columns], np.exp(np.clip(out, -700, 700)), out)
        return np.clip(out, self.traits.limits[0, columns], self.traits.limits[1, columns])

    def _fit_profiles(self, x: Floats, places: Mapping[str, Ints]) -> None:
        self.profiles = {}
        left = x.copy()
        for name, place in places.items():
            table = np.zeros((x.shape[1], self.traits.sizes[name]))
            for j in range(x.shape[1]):
                gain, profile = profile_gain(left[:, j], place, table.shape[1], True, self.traits.cycles[name])
                if gain > _EXPLAINED:
                    table[j] = profile
            if table.any():
                self.profiles[name] = table
                left -= table[:, place].T

    def _plain(self, values: Floats, starts: Ints, places: Mapping[str, Ints], gap: Gap) -> Floats:
        """``(3, N)`` what a line, the last value, and a line on a profile fill in, as numbers of the law."""
        raw = [lines(values, starts), last(values, starts)]
        coded = [self._coded(v, places) for v in raw] + [lines(self._coded(values, places), starts)]
        out = np.stack([v[gap.rows, gap.columns] for v in coded])
        alone = distance(np.isnan(values), starts)[gap.rows, gap.columns] >= len(values)
        return np.where(alone, gap.mean, out)  # in a segment without a known cell there is no line

    def _mixed(self, plain: Floats, gap: Gap, far: Bools) -> Floats:
        c = gap.columns
        w = self.weight[far.astype(int), c]
        return np.where(
            w < 1, w * gap.mean + (1 - w) * plain[self.base[far.astype(int), c], np.arange(len(c))], gap.mean
        )

    def _choose(
        self, masked: Floats, values: Floats, starts: Ints, places: Mapping[str, Ints], gap: Gap, at: Bools
    ) -> None:
        """The mixture that errs least on hidden cells, by column, next to known cells and deeper in a gap."""
        plain = self._plain(masked, starts, places, gap)
        season = self._season(places, len(values))[gap.rows, gap.columns]

        def error(x: Floats, own: Ints) -> Floats:
            c = gap.columns[own]
            return np.asarray(np.abs(self._values(x[own], season[own], c) - values[gap.rows[own], c]))

        deep = depth(np.isnan(masked), starts)[gap.rows, gap.columns]
        for k in range(3):
            own = at & (deep == k)
            if k < 2 or _runs(gap.rows[own]) >= _FEWEST:  # few ends tell nothing: there the law alone fills
                self.base[k], self.weight[k] = self._best(plain, gap, own, error)
        d = len(self.centre)
        self.report = np.full((len(PLAIN) + 2, 2, d), np.nan)
        mixed = self._mixed(plain, gap, deep)
        for j in range(d):
            own = np.flatnonzero(at & (gap.columns == j))
            if len(own) >= _LEAST:
                unit = max(float(np.nanstd(values[:, j])), 1e-300)
                tried = [error(x, own) / unit for x in (*plain, gap.mean, mixed)]
                self.report[:, 0, j] = [e.mean() for e in tried]
                self.report[:, 1, j] = [np.sqrt((e**2).mean()) for e in tried]

    def _best(self, plain: Floats, gap: Gap, at: Bools, error: Callable[[Floats, Ints], Floats]) -> tuple[Ints, Floats]:
        """``(D,)`` plain way and weight of the law; those of all columns tell them where a column has few cells."""
        d = len(self.centre)
        ways = [(0, 1.0)] + [(b, w) for b in range(len(PLAIN)) for w in _MIX[:-1]]
        cost, count = np.full((len(ways), d), np.nan), np.zeros(d)
        for j in range(d):
            own = np.flatnonzero(at & (gap.columns == j))
            if len(own) < _LEAST:
                continue
            line, law = error(plain[0], own), error(gap.mean, own)
            cut = _CUT * max(float(law.mean()), float(line.mean()), 1e-300)
            count[j] = _runs(gap.rows[own])
            cost[:, j] = [_cost(error(w * gap.mean + (1 - w) * plain[b], own), line, cut) for b, w in ways]
        if not count.any():
            return np.zeros(d, np.int64), np.ones(d)
        cost[0] *= 1 - _BETTER - _CHANCE / np.sqrt(_runs(gap.rows[at]))
        pooled = np.nanmean(np.minimum(cost, 10.0), axis=1)
        cost = (count * np.nan_to_num(cost) + _POOL * pooled[:, None]) / (count + _POOL)
        best = cost.argmin(0)
        return np.array([ways[k][0] for k in best]), np.array([ways[k][1] for k in best])

    def _calibrate(
        self, masked: Floats, values: Floats, starts: Ints, places: Mapping[str, Ints], gap: Gap, at: Bools, least: int
    ) -> None:
        """Spreads and quantiles of errors, from hidden cells."""
        steps = distance(np.isnan(masked), starts)[gap.rows, gap.columns]
        deep = depth(np.isnan(masked), starts)[gap.rows, gap.columns]
        centre = self._mixed(self._plain(masked, starts, places, gap), gap, deep)
        truth = self._coded(values, places)[gap.rows, gap.columns]
        z = (truth - centre) / gap.spread
        far = np.searchsorted(_FAR, steps)
        self.spread = self._spreads(np.minimum(np.abs(z), _CUT), gap, far, at)
        z = z / self.spread[far, gap.columns]
        every = ScoreLaw.fit(z[at], min_count=least, reach=1.2) if _runs(gap.rows[at]) >= _FEWEST else None
        for j in range(len(self.centre)):
            own = at & (gap.columns == j)
            many = _runs(gap.rows[own]) >= _FEWEST and len(np.unique(z[own])) > _FEWEST
            law = ScoreLaw.fit(z[own], min_count=least, reach=1.2) if many else every
            self.errors.append(law if law is not None else _normal())
        self.curved = self.logs & (self.weight > 0).any(0)
        season = self._season(places, len(values))[gap.rows, gap.columns]
        spread = gap.spread * self.spread[far, gap.columns]
        middle, mean = self._centres(centre, spread, season, gap.columns)
        real = values[gap.rows, gap.columns]
        for j in np.flatnonzero(self.curved):
            own = at & (gap.columns == j)
            self.curved[j] = ((mean - real)[own] ** 2).sum() < ((middle - real)[own] ** 2).sum()

    def _spreads(self, size: Floats, gap: Gap, far: Ints, at: Bools) -> Floats:
        """``(len(_FAR) + 1, D)`` how far off fillings are in the law's spreads ``size`` ``(N,)``, by the steps to the
        next known cell: what all columns say, then how a column differs from them, then how at each distance."""
        out = np.ones((len(_FAR) + 1, len(self.centre)))
        usual = _rms(size[at], 1.0, gap.rows[at])
        for k in range(len(out)):
            near = at & (far == k)
            out[k] = _rms(size[near], usual, gap.rows[near])
        for j in range(len(self.centre)):
            own = at & (gap.columns == j)
            out[:, j] *= _rms(size[own] / out[far[own], j], 1.0, gap.rows[own])
            for k in range(len(out)):
                near = own & (far == k)
                out[k, j] *= _rms(size[near] / out[k, j], 1.0, gap.rows[near])
        return out

    def _centres(self, centre: Floats, spread: Floats, season: Floats, columns: Ints) -> tuple[Floats, Floats]:
        """``(N,)`` medians, and means: those of a law on a log scale lie above."""
        nodes = np.empty((_NODES, len(columns)))
        levels = ndtri((np.arange(_NODES) + 0.5) / _NODES)
        for j in np.unique(columns):
            nodes[:, columns == j] = self.errors[j].values(levels)[:, None]
        nodes -= nodes.mean(0)  # the centre was chosen by its errors
        middle = self._values(centre, season, columns)
        mean = self._values(centre + spread * nodes, season, columns).mean(0)
        return middle, np.where(self.curved[columns], mean, middle)

    # ---------------------------------------------------------------- filling
    def fill(
        self, values: Floats, starts: Ints, places: Mapping[str, Ints], n: int, seed: int, method: str = "auto"
    ) -> Filled:
        """Fill the NaN of ``(T, D)`` values: centres, and ``n`` joint draws."""
        x = self._coded(values, places)
        gap = self.law.gap(x, starts)
        c = gap.columns
        if not len(c):
            none = np.zeros(0)
            return Filled(gap.rows, c, none, none, np.zeros((n, 0)))
        plain = self._plain(values, starts, places, gap)
        steps = distance(np.isnan(values), starts)[gap.rows, c]
        deep = depth(np.isnan(values), starts)[gap.rows, c]
        alone = gap.mean if method not in PLAIN else plain[PLAIN.index(method)]
        centre = self._mixed(plain, gap, deep) if method == "auto" else alone
        far = np.searchsorted(_FAR, steps)
        spread = gap.spread * self.spread[far, c]
        season = self._season(places, len(values))[gap.rows, c]
        z = gap.draw(n, np.random.default_rng(seed))
        for j in np.unique(c):
            z[:, c == j] = self.errors[j].values(z[:, c == j])
        median, mean = self._centres(centre, spread, season, c)
        if method in PLAIN:
            mean = median
        draws = self._values(centre + spread * z, season, c)
        return Filled(gap.rows, c, mean, median, draws)

    # ---------------------------------------------------------------- state
    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A JSON value and arrays."""
        own, law = self.law.to_state()
        traits = self.traits
        arrays: dict[str, NDArray[Any]] = {f"law/{k}": v for k, v in law.items()}
        for name in _ARRAYS:
            arrays[name] = getattr(self, name)
        arrays |= {f"profile/{k}": v for k, v in self.profiles.items()}
        arrays |= {"wanders": traits.wanders, "group": traits.group, "limits": traits.limits}
        for j, errors in enumerate(self.errors):
            arrays |= {f"errors/{j}/{k}": v for k, v in errors.to_state().items()}
        value = {
            "law": own,
            "bars": [list(b) for b in traits.bars],
            "period": traits.period,
            "sizes": dict(traits.sizes),
            "cycles": dict(traits.cycles),
        }
        return value, arrays

    @classmethod
    def from_state(cls, value: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> SeriesFiller:
        """The inverse of :meth:`to_state`."""
        bars = tuple((int(b[0]), int(b[1]), int(b[2]), int(b[3])) for b in value["bars"])
        traits = Traits(
            np.asarray(arrays["wanders"]),
            np.asarray(arrays["group"]),
            bars,
            np.asarray(arrays["limits"]),
            int(value["period"]),
            {k: int(v) for k, v in value["sizes"].items()},
            {k: int(v) for k, v in value["cycles"].items()},
        )
        plain = {k: np.asarray(arrays[k]) for k in _ARRAYS}
        errors = [ScoreLaw.from_state(io.below(arrays, f"errors/{j}/")) for j in range(len(traits.wanders))]
        law = LinearLaw.from_state(value["law"], io.below(arrays, "law/"))
        return cls(traits=traits, profiles=io.below(arrays, "profile/"), law=law, errors=errors, **plain)


def _cost(error: Floats, of_lines: Floats, cut: float) -> float:
    """Mean absolute plus root mean squared error, each in those of a line, with the largest cut."""
    e, one = np.minimum(error, cut), np.minimum(of_lines, cut)
    return float(
        e.mean() / max(one.mean(), 1e-300) + np.sqrt((e**2).mean()) / max(float(np.sqrt((one**2).mean())), 1e-300)
    )


def _runs(rows: Ints) -> int:
    """How many stretches of time some cells lie in: errors of one stretch are one, told often."""
    return int((np.diff(np.unique(rows)) > 1).sum()) + 1 if len(rows) else 0


def _rms(size: Floats, usual: float, rows: Ints) -> float:
    """The root of the mean square, drawn to the usual one where few stretches of time tell it."""
    count = _runs(rows)
    square = float((size**2).mean()) if len(size) else 0.0
    return float(np.sqrt((count * square + _SHRINK * usual**2) / (count + _SHRINK)))


def _normal() -> ScoreLaw:
    knots = np.array([-4.0, 4.0])
    return ScoreLaw(knots, knots.copy(), np.zeros((2, 2)), knots.copy())


def _logs(values: Floats, starts: Ints) -> Bools:
    """``(D,)`` positive channels whose moves grow with their height."""
    out = np.zeros(values.shape[1], bool)
    full = lines(values, starts)
    for j in range(values.shape[1]):
        x = full[:, j]
        if not (x > 0).all():
            continue
        found = []
        for y in (x, np.log(x)):
            move = np.abs(np.diff(y))
            middle = np.log((x[1:] + x[:-1]) / 2)
            slow = np.argsort(middle, kind="stable")
            half = len(slow) // 2
            low, high = (np.log(move[k].mean() + 1e-300) for k in (slow[:half], slow[half:]))
            found.append(abs(high - low))
        out[j] = found[1] < found[0]
    return out
