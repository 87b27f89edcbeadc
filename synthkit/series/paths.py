"""Paths that run freely while a net is trained, and what tells them from the real series.

A net that is taught on blocks after real pasts is never shown the pasts that its own draws lead to. So the players of a
GAN play for windows of paths that run on and on under the net's own draws. Values of channels are the closed form's,
exactly; their gradient by the white scores of the last block is that of its linear part (scales and moving means are
taken as they are), which is what a step of training needs.

Shapes: N paths, K steps of a block, P of its history, D channels, C of the calendar.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthkit.metrics.series_detection import teller
from synthkit.series.nets import Blocks

if TYPE_CHECKING:
    from synthkit.series.chained import ChainedSeries

__all__ = ["Paths", "Teller"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_WARM = 60  # steps before windows of a path are shown
_CARRY = 3  # lags through which a gradient goes
_NEAR = 0.05  # half the width of a slope
_CHANNELS, _ROUNDS, _REPEATS = 16, 60, 3  # of the teller
_WINDOWS = 1500  # real ones that it is taught


class Paths:
    """N paths of a series under way; each call of :meth:`advance` draws a block of all.

    Args:
        c: ``(T, D)`` training channels; room: ``(S, 2)`` first and last row (exclusive) of stretches of the calendar
            that paths may run through.
    """

    def __init__(
        self, series: ChainedSeries, c: Floats, covariates: Floats | None, room: Ints, n: int, seed: int
    ) -> None:
        self.series, self.c, self.covariates, self.n = series, c, covariates, n
        self.rng = np.random.default_rng([seed, 43])
        longest = room[:, 1] - room[:, 0]
        self.room = room[longest >= min(_WARM + 4 * series.sizes.block, int(longest.max()))]
        self.rows, self.end, self.age = (np.zeros(n, np.int64) for _ in range(3))
        self.seen = np.zeros((n, series.sizes.history, series.sizes.d))
        self._seat(np.arange(n))
        for _ in range(-(-_WARM // series.sizes.block)):
            self._play(lambda blocks: blocks.white)

    def _seat(self, who: Ints) -> None:
        """Let some paths begin again, somewhere in the calendar."""
        size = (self.room[:, 1] - self.room[:, 0]).astype(float)
        stretch = self.room[self.rng.choice(len(self.room), len(who), p=size / size.sum())]
        last = np.maximum(stretch[:, 1] - _WARM - 4 * self.series.sizes.block, stretch[:, 0] + 1)
        rows = self.rng.integers(stretch[:, 0], last)
        near = np.clip(rows[:, None] + np.arange(-_WARM // 2, _WARM // 2), stretch[:, :1], stretch[:, 1:] - 1)
        past = self.c[near].mean(1, keepdims=True)  # as it was then, smoothly
        own = None if self.covariates is None else self.covariates[np.maximum(rows - 1, 0)][:, None]
        fresh = self.series.whitener.begin(len(who), past, own, self.rng)
        if not hasattr(self, "walk"):
            self.walk = fresh
        for name in vars(fresh.memory):
            getattr(self.walk.memory, name)[who] = getattr(fresh.memory, name)
        self.walk.history[who] = fresh.history
        self.rows[who], self.end[who], self.age[who] = rows, stretch[:, 1], 0

    def calendar(self, ahead: Ints) -> Tensor:
        """``(N, L, C)`` of rows ``(N, L)``; C is 0 where there is none."""
        if self.covariates is None:
            return torch.zeros(*ahead.shape, 0)
        return torch.from_numpy(self.covariates[np.clip(ahead, 0, len(self.c) - 1)]).float()

    def _play(self, draw: Callable[[Blocks], Tensor]) -> tuple[Tensor, Floats, Floats, Ints]:
        """White scores that ``draw`` makes of noise and pasts, scales ``(N, K, D)``, channels before their maps, and
        rows ``(N, K)``."""
        series, whitener = self.series, self.series.whitener
        size = series.sizes.block
        if self.covariates is not None:
            over = np.flatnonzero(self.rows + size > self.end)
            if len(over):
                self._seat(over)
        ahead = self.rows[:, None] + np.arange(size)
        calendar = self.calendar(ahead)
        today = None if self.covariates is None else self.covariates
        state = whitener.state(self.walk.memory, None if today is None else today[ahead[:, 0]])[2]
        noise = torch.from_numpy(whitener.drawn(self.n, size, self.rng)).float()
        history = torch.from_numpy(self.walk.history).float()
        device = next(series.net.parameters()).device
        white = draw(Blocks(noise, history, series.codec.code(state), calendar).to(device)).cpu()
        value = white.detach().double().numpy()
        z = whitener.residuals(value)
        c, scale = np.empty_like(z), np.empty_like(z)
        for k in range(size):
            x = None if today is None else today[ahead[:, k]]
            c[:, k], scale[:, k] = whitener.step(self.walk.memory, z[:, k], x)
        self.walk.history = np.concatenate([self.walk.history, value], axis=1)[:, -series.sizes.history :]
        self.rows, self.age = self.rows + size, self.age + size
        return white, scale, c, ahead

    def advance(self, draw: Callable[[Blocks], Tensor]) -> tuple[Tensor, Tensor]:
        """Draw a block of each path.

        Returns:
            Windows ``(M, P + K, D)`` of the paths that have run for a while, with gradients to what ``draw`` gave, and
            the calendar ``(M, P + K, C)`` of their steps.
        """
        series, whitener = self.series, self.series.whitener
        white, scale, value, ahead = self._play(draw)
        closed = whitener.closed
        g = white.detach().double().numpy() @ closed.law.factor.T
        laws = closed.law.laws
        rise = [law.values(g[..., j] + _NEAR) - law.values(g[..., j] - _NEAR) for j, law in enumerate(laws)]
        slope = torch.from_numpy(np.stack(rise, -1) / (2 * _NEAR) * scale).float()
        moved = (white - white.detach()) @ torch.from_numpy(closed.law.factor.T).float() * slope
        carried = self._carried(moved)
        shown = closed._bounded(closed.margins.apply(value))
        bend = (closed.margins.apply(value + _NEAR) - closed.margins.apply(value - _NEAR)) / (2 * _NEAR)
        block = torch.from_numpy(shown).float() + carried * torch.from_numpy(bend).float()
        window = torch.cat([torch.from_numpy(self.seen).float(), block], 1)
        before = ahead[:, :1] + np.arange(-series.sizes.history, 0)
        calendar = self.calendar(np.concatenate([before, ahead], axis=1))
        self.seen = np.concatenate([self.seen, shown], axis=1)[:, -series.sizes.history :]
        ready = torch.from_numpy(self.age >= _WARM)
        return window[ready], calendar[ready]

    def _carried(self, moved: Tensor) -> Tensor:
        """What moves ``(N, K, D)`` of errors do to channels, then and at the steps after."""
        closed = self.series.whitener.closed
        lags = closed.features.places(self.series.sizes.d, self.series.sizes.calendar)[0]["lags"]
        weights = [torch.from_numpy(closed.mean[lags[k]]).float() for k in range(min(_CARRY, len(lags)))]
        out: list[Tensor] = []
        for k in range(moved.shape[1]):
            now = moved[:, k]
            for back, weight in enumerate(weights, start=1):
                if k >= back:
                    now = now + out[k - back] @ weight
            out.append(now)
        return torch.stack(out, 1)


class Teller:
    """A classifier's view of real windows and drawn ones; asked again and again of the same held-out windows.

    Args:
        train, held: ``(M, L, D)`` real windows to learn from and to be asked of.
    """

    def __init__(self, train: Floats, held: Floats, seed: int) -> None:
        rng = np.random.default_rng([seed, 44])
        self.columns = np.sort(rng.permutation(train.shape[2])[:_CHANNELS])
        some = np.sort(rng.permutation(len(train))[:_WINDOWS])
        self.train, self.held, self.seed = self._features(train[some]), self._features(held), seed

    def _features(self, windows: Floats) -> Floats:
        """``(M, F)``: steps, their changes, and summaries per channel."""
        x = windows[:, :, self.columns]
        step = np.diff(x, axis=1)
        follows = ((x[:, 1:] - x.mean(1, keepdims=True)) * (x[:, :-1] - x.mean(1, keepdims=True))).mean(1)
        parts = [x.mean(1), x.std(1), x.min(1), x.max(1), step.std(1), np.abs(step).mean(1), follows, np.abs(x).mean(1)]
        return np.concatenate([x.reshape(len(x), -1), step.reshape(len(x), -1), *parts], axis=1)

    def auc(self, drawn: Floats) -> float:
        """ROC AUC of boosting that tells ``(M, L, D)`` drawn windows from held-out ones, taught by the other half of
        them and training windows."""
        drawn_x = self._features(drawn)
        rng = np.random.default_rng([self.seed, 45])
        values = []
        for repeat in range(_REPEATS):
            half = np.arange(len(drawn_x)) < len(drawn_x) // 2
            half = half if repeat % 2 else ~half  # windows of one path stay together
            taught = drawn_x[half]
            real = self.train[rng.permutation(len(self.train))[: 2 * len(taught)]]
            model = teller(_ROUNDS, self.seed % 2**31 + repeat)
            model.fit(np.concatenate([real, taught]), np.repeat([0, 1], [len(real), len(taught)]))
            fake, true = model.decision_function(drawn_x[~half]), np.sort(model.decision_function(self.held))
            place = np.searchsorted(true, fake, "left") + np.searchsorted(true, fake, "right")
            values.append(float(place.mean() / (2 * len(true))))
        return float(np.mean(values))
