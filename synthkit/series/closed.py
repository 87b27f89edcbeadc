"""The closed-form series model: next step = ridge mean + log-linear scale x residual of a t copula."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit import io
from synthkit.errors import TrainingError
from synthkit.series.answers import Answers
from synthkit.series.base import Channels, SteppedSeries
from synthkit.series.far import far, quantiles
from synthkit.series.linear import Ridge, fit_scale
from synthkit.series.margins import Margins
from synthkit.series.memory import HALF_LIVES, Memory, State, lagged, moving
from synthkit.series.mending import mend, trial
from synthkit.series.residuals import ResidualLaw

__all__ = ["ClosedForm"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_FEW, _SOME = 12, 40  # channels up to which all look at all, and at the last step of all
_FEWEST = 40  # rows that a regression needs
_SPIKES = 1.5  # times the 99.5 % point: larger errors tell no more of the scale to come
_ODD = 3.0  # times the same point of residuals: beyond, the scale was wrong (a peg let go), not the draw large
_SLACK = 0.3  # of a log scale beyond those of training
_REACH = 1.5  # a change is at most this much of the largest of training
_OUTER, _EDGES = np.array([0.995]), np.array([0.001, 0.999])
_LEAD = (0.3, 0.4, 0.2, 0.1)  # of moving squares, by half life
_ALIKE = 3  # channels of one role, for each to be drawn to what all have in common
_ROUNDS = 7  # of mending
_SOLVED = 8  # rounds in which volumes before they lean on moves are found; each leaves a tenth or so


class ClosedForm(SteppedSeries):
    """What is fitted; see the module. Shapes: D channels, M features of the mean, N of the scale.

    Attributes:
        about: channels; features: lags; mean: ``(M, D)`` weights; scale: ``(N, D)`` weights of the log scale, and
            ``now``: ``(D, D)`` of the levels of the same step, in the log scale of changes; answers: of volumes to
            moves.
        law: of residuals; margins: maps of draws; low, high: ``(D,)`` bounds of channels; floor,
            top: ``(D,)`` of log scales.
        typical: ``(N,)`` features of the scale, on average.
        base, cap: ``(D,)`` of squared errors, as they are at first and at most.
        gains: ``(2, D)`` what means and scales explain in left-out blocks (share of variance, nats).
    """

    mean: Floats
    scale: Floats
    now: Floats
    answers: Answers
    base: Floats
    cap: Floats
    low: Floats
    high: Floats
    floor: Floats
    top: Floats
    gains: Floats
    law: ResidualLaw
    margins: Margins
    typical: Floats

    def __init__(self, about: Channels, lags: tuple[int, ...]) -> None:
        self.about, self.channels = about, len(about.level)
        self.features = Memory(lags, _pool(about))
        self.memory = int(4 * HALF_LIVES[-1])
        self.answers = Answers.of(about)

    # ---------------------------------------------------------------- fitting
    @classmethod
    def fit(cls, c: Floats, covariates: Floats | None, starts: Ints, about: Channels) -> ClosedForm:
        """Learn ``(T, D)`` channels.

        Raises:
            TrainingError: too few rows in long enough segments.
        """
        ends = np.append(starts[1:], len(c))
        out = cls(about, _lags(about, int((ends - starts).max())))
        row = np.arange(len(c)) - np.repeat(starts, ends - starts)
        use = row >= min(out.features.longest, 30)
        if use.sum() < _FEWEST:
            raise TrainingError(
                f"autoregressive: {int(use.sum())} rows follow on as many others as the model looks back; {_FEWEST} "
                f"are needed. Give a longer series, or name an 'entity' to have records learnt."
            )
        out._fit_steps(c, covariates, starts, use)
        wide = np.where(about.level, 1.0, _REACH)
        slack = np.where(about.level, 0.3, 0.0)
        low, high = far(c, about.least)
        out.low, out.high = low * wide - slack, high * wide + slack
        out.margins = Margins.same(c.shape[1])
        mend(out, c, covariates, starts, use, _ROUNDS)
        out._fit_margins(c, covariates)
        return out

    def _fit_steps(self, c: Floats, covariates: Floats | None, starts: Ints, use: NDArray[np.bool_]) -> None:
        """Means, scales and residuals of one step."""
        zero = np.zeros(c.shape[1])
        lags = np.stack([lagged(c, starts, k) for k in self.features.lags], 1)
        means = moving(c, starts, zero)
        x = self.features.mean_features(lags, means, covariates)
        self._fit_mean(x[use], c[use], 0 if covariates is None else covariates.shape[1])
        e = c - x @ self.mean
        self.base = np.maximum((e[use] ** 2).mean(0), 1e-12)
        least = self.about.least
        largest = quantiles(np.abs(e[use]), _OUTER, least)[0]
        self.cap = np.maximum((_SPIKES * largest) ** 2, self.base * 1e-6)
        usual = moving(np.minimum(e**2, self.cap), starts, np.minimum(self.base, self.cap))[use][:, 2]
        self.base = np.maximum(np.median(usual, axis=0), 1e-12)  # not the mean: a peg let go once is most of that
        errors = np.stack([lagged(e, starts, 1), moving(e, starts, zero)[:, 0]], 1)
        squares = moving(np.minimum(e**2, self.cap), starts, np.minimum(self.base, self.cap))
        y = self.features.scale_features(lags[:, 0], means, squares, errors, covariates)
        z = self._fit_scale(y, c, e, use, 0 if covariates is None else covariates.shape[1])
        self.answers = self.answers.fit(e[use], z[use], self.about.role)
        most = _ODD * quantiles(np.abs(z[use]), _OUTER, least)[0]
        self.law = ResidualLaw.fit(np.clip(z[use], -most, most), least)

    def _fit_margins(self, c: Floats, covariates: Floats | None) -> None:
        """Map the law of long draws to that of training."""
        drawn, _ = trial(self, c, covariates)
        self.margins = Margins.fit(drawn.reshape(-1, c.shape[1]), c, ~self.about.level, self.about.least)

    def _fit_mean(self, x: Floats, c: Floats, k: int) -> None:
        d = c.shape[1]
        places, _ = self.features.places(d, k)
        ridge = Ridge(x, c)
        self.mean = np.zeros((x.shape[1], d))
        self.gains = np.zeros((2, d))
        seen = [self._mean_columns(places, j) for j in range(d)]
        for role in np.unique(self.about.role):
            own = np.flatnonzero(self.about.role == role)
            prior = ridge.shared(own, [seen[j] for j in own]) if len(own) >= _ALIKE else None
            for j in own:
                self.mean[:, j], self.gains[0, j] = ridge.fit(j, seen[j], prior)
        self._centre_levels(x[:, places["calendar"].ravel()].mean(0))

    def _centre_levels(self, calendar: Floats) -> None:
        """Levels come back to their mean, which is 0, whatever a regression says of a finite table."""
        d, level = len(self.about.level), self.about.level
        places, _ = self.features.places(d, len(calendar))
        at = places["calendar"].ravel()
        self.mean[0, level] = -(calendar @ self.mean[at][:, level]) if len(at) else 0.0

    def _mean_columns(self, places: Mapping[str, Ints], j: int) -> Ints:
        d, group = len(self.about.level), self.about.group
        lags, means = places["lags"], places["means"]
        others = np.arange(d) if d <= _SOME else np.flatnonzero(group == group[j])
        columns = [places["constant"], lags[:, j], means[:, j], lags[0, others], places["calendar"].ravel()]
        if d <= _FEW or (d > _SOME and len(others) <= _FEW):
            columns += [lags[1, others], means[:2, others].ravel()]
        elif d <= _SOME:
            columns += [lags[1, others], means[0, others]]
        if self.features.pool is not None:
            columns.append(places["pooled"][:3].ravel())
        flat = np.concatenate([np.atleast_1d(v) for v in columns])
        return np.concatenate([[0], np.setdiff1d(flat, [0])])

    def _fit_scale(self, y: Floats, c: Floats, e: Floats, use: NDArray[np.bool_], k: int) -> Floats:
        d = c.shape[1]
        _, places = self.features.places(d, k)
        self.scale, self.now = np.zeros((y.shape[1], d)), np.zeros((d, d))
        seen = [self._scale_columns(places, j) for j in range(d)]
        features = [np.concatenate([y[use][:, columns], c[use][:, levels]], 1) for columns, levels in seen]
        for role in np.unique(self.about.role):
            own = np.flatnonzero(self.about.role == role)
            prior = None
            if len(own) >= _ALIKE and len({features[j].shape[1] for j in own}) == 1:
                together = np.stack([features[j] for j in own], 1)  # by time, so that folds are of time
                spread = np.maximum(e[use][:, own].std(0), 1e-9)
                shared = (together.reshape(-1, together.shape[2]), (e[use][:, own] / spread).ravel())
                prior, _ = fit_scale(*shared, lead=self._lead(places, own[0], seen[own[0]][0], together.shape[2]))
            for j in own:
                (columns, levels), x = seen[j], features[j]
                lead = self._lead(places, j, columns, x.shape[1])
                b, self.gains[1, j] = fit_scale(x, e[use, j], prior, lead)
                self.scale[columns, j] = b[: len(columns)]
                self.now[levels, j] = b[len(columns) :]
        logs = y @ self.scale + c @ self.now
        self.typical = np.append(0.0, y[use].mean(0)[1:])
        self.floor, self.top = quantiles(logs[use], _EDGES, self.about.least) + np.array([[-_SLACK], [_SLACK]])
        return e * np.exp(-np.clip(logs, self.floor, self.top))

    def _lead(self, places: Mapping[str, Ints], j: int, columns: Ints, width: int) -> Floats:
        """``(width,)`` what log scales hang on first: a channel's own moving squares, recent ones more."""
        out = np.zeros(width)
        for place, weight in zip(places["logs"][:, j], _LEAD, strict=True):
            out[: len(columns)][columns == place] = weight
        return out

    def _scale_columns(self, places: Mapping[str, Ints], j: int) -> tuple[Ints, Ints]:
        """Features of the log scale of channel ``j``, the constant first; and levels of the same step it hangs on."""
        level, group = self.about.level, self.about.group
        kin = np.flatnonzero((group == group[j]) & level)
        kin = kin[kin != j][:_FEW]
        columns = [places["logs"][:, j], places["errors"][:, j], places["calendar"].ravel()]
        columns.append(places["means"][:3, kin].ravel())
        if level[j]:
            columns += [places["first"][:, j], places["means"][:2, j]]
        if self.features.pool is not None:
            columns.append(places["pooled"][[0, 1, 2]].ravel())
        flat = np.concatenate([np.atleast_1d(v) for v in columns])
        return np.concatenate([[0], np.unique(flat)]), kin if not level[j] else kin[:0]

    # ---------------------------------------------------------------- drawing
    def _drawn(
        self, n: int, length: int, past: Floats | None, covariates: Floats | None, rng: np.random.Generator
    ) -> Floats:
        z = self.law.draw(n, length, rng)
        state, at = self._state(n, past, covariates)
        out = np.empty_like(z)
        for t in range(length):
            x = None if covariates is None else np.broadcast_to(covariates[:, at + t], (n, covariates.shape[2]))
            mean, logs = self._next(state, x)
            out[:, t], _ = self.take_step(state, mean, logs, z[:, t])
        return self._bounded(self.margins.apply(out))

    def take_step(self, state: State, mean: Floats, logs: Floats, z: Floats) -> tuple[Floats, Floats]:
        """``(n, D)`` channels of residuals ``z``, and their scales; the state takes them in."""
        scale = np.exp(np.clip(logs, self.floor, self.top))
        c = self._bounded(mean + scale * z)
        if self.now.any():  # changes hang on the levels of the same step
            scale = np.exp(np.clip(logs + c @ self.now, self.floor, self.top))
            c = self._bounded(mean + scale * z)
        if self.answers.weight.any():  # and what is new in a volume on the size of the move
            told = self.answers.told
            fresh = self.answers.lean(z[:, told], c - mean, scale)
            c[:, told] = np.clip(mean[:, told] + scale[:, told] * fresh, self.low[told], self.high[told])
        state.push(c, c - mean, self.cap)
        return c, scale

    def undo_step(self, state: State, mean: Floats, logs: Floats, c: Floats) -> Floats:
        """``(n, D)`` residuals of channels ``c`` that came; the state takes them in."""
        e, told, first = c - mean, self.answers.told, c.copy()
        for _ in range(_SOLVED if self.answers.weight.any() else 1):  # scales hang on volumes as they first were
            scale = np.exp(np.clip(logs + first @ self.now, self.floor, self.top))
            z = e / scale
            z[:, told] = self.answers.unlean(z[:, told], e, scale)
            first[:, told] = self._bounded(mean + scale * z)[:, told]
        state.push(c, e, self.cap)
        return np.asarray(z)

    def _bounded(self, c: Floats) -> Floats:
        return np.clip(c, self.low, self.high)

    def _next(self, state: State, covariates: Floats | None) -> tuple[Floats, Floats]:
        lags = state.lags[:, np.array(self.features.lags) - 1]
        mean = self.features.mean_features(lags, state.means, covariates) @ self.mean
        y = self.features.scale_features(state.lags[:, 0], state.means, state.squares, state.errors, covariates)
        return mean, y @ self.scale

    def _state(self, n: int, past: Floats | None, covariates: Floats | None) -> tuple[State, int]:
        """The memory after ``past``, and how many rows of covariates are its."""
        d, h = len(self.about.level), len(HALF_LIVES)
        state = State(
            np.zeros((n, self.features.longest, d)),
            np.zeros((n, h, d)),
            np.broadcast_to(np.minimum(self.base, self.cap), (n, h, d)).copy(),
            np.zeros((n, 2, d)),
        )
        if past is None:
            return state, 0
        length = past.shape[1]
        for t in range(max(length - self.memory, 0), length):
            x = None if covariates is None else np.broadcast_to(covariates[:, t], (n, covariates.shape[2]))
            c = np.broadcast_to(self.margins.undo(past[:, t]), (n, d))
            mean, _ = self._next(state, x)
            state.push(c, c - mean, self.cap)
        return state, length

    # ---------------------------------------------------------------- state
    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        about = self.about
        value, arrays = self.law.to_state()
        arrays = {f"law/{k}": v for k, v in arrays.items()}
        for name in ("mean", "scale", "now", "base", "low", "high", "floor", "top", "gains", "cap"):
            arrays[name] = getattr(self, name)
        arrays |= {f"margins/{k}": getattr(self.margins, k) for k in ("found", "wanted", "slopes")}
        arrays |= {f"answers/{k}": getattr(self.answers, k) for k in ("told", "whole", "weight", "usual")}
        arrays |= {"level": about.level, "group": about.group, "role": about.role}
        fields = {"names": list(about.names), "period": about.period, "lags": list(self.features.lags), "law": value}
        return fields, arrays

    @classmethod
    def from_state(cls, value: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> ClosedForm:
        kinds = [np.asarray(arrays[k]) for k in ("level", "group", "role")]
        about = Channels(tuple(value["names"]), kinds[0], kinds[1], kinds[2], int(value["period"]))
        out = cls(about, tuple(int(k) for k in value["lags"]))
        for name in ("mean", "scale", "now", "base", "low", "high", "floor", "top", "gains", "cap"):
            setattr(out, name, np.asarray(arrays[name]))
        if "answers/told" in arrays:  # files of before have none
            out.answers = Answers(*(np.asarray(arrays[f"answers/{k}"]) for k in ("told", "whole", "weight", "usual")))
        out.margins = Margins(*(np.asarray(arrays[f"margins/{k}"]) for k in ("found", "wanted", "slopes")))
        out.law = ResidualLaw.from_state(value["law"], io.below(arrays, "law/"))
        return out


def _lags(about: Channels, longest: int) -> tuple[int, ...]:
    lags = [1, 2, 3, 4, 5, 6]
    if about.period > 6 and longest > 4 * about.period and about.period <= 200:
        lags += [about.period - 1, about.period, about.period + 1]
        lags += [k * about.period for k in range(2, 7) if longest > 6 * k * about.period]
        week = 7 * about.period
        if longest > 6 * week:
            lags += [week - 1, week, week + 1]
    return tuple(lags)


def _pool(about: Channels) -> Floats | None:
    """Averages over groups of channels of one role; None where there is one group."""
    if len(np.unique(about.group)) < 3:
        return None
    roles = np.unique(about.role)
    member = (about.role[:, None] == roles[None]).astype(np.float64)
    return member / member.sum(0)
