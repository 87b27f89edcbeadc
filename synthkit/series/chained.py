"""Nets over blocks of a series, chained into paths of any length.

A net draws a block of some steps of white scores (:mod:`synthkit.series.whitening`) given the last steps before it, the
state of the closed form and the calendar of its own steps; the closed form makes channels of them, step by step, and
its state after the block is what the next block is given. So the net learns what the closed form leaves, a path has
neither seams nor a longest length, and a level comes back as it does there.

What keeps long paths in place: the mean of drawn scores is brought to the closed form's (a small bias would move a slow
level far), changes are mapped onto their law of training (:mod:`synthkit.series.margins`), and where a level's spread
in long draws is not near the closed form's, the net's ``share`` is halved until it is.
"""

from __future__ import annotations

import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from synthkit import io
from synthkit.errors import SynthkitWarning
from synthkit.params import Interval, param
from synthkit.runtime import entropy, seeded, single_precision
from synthkit.series.base import Budget, Channels, FittedSeries, Floats, SeriesSpec, SteppedSeries
from synthkit.series.closed import ClosedForm
from synthkit.series.margins import Margins
from synthkit.series.nets import Blocks
from synthkit.series.whitening import Whitener, WhiteRows

__all__ = ["BlockNet", "ChainedSeries", "ChainedSpec", "Lesson", "Sizes"]

Ints = NDArray[np.int64]
_FEWEST, _FEWEST_HELD = 150, 15  # blocks that a net is trained on, and that judge it
_HELD, _PARTS = 0.15, 5  # share of rows held out, in so many stretches at most
_STATES = 48  # numbers of a state that nets are told, at most
_CLIP = 4.0  # spreads of a state
_POOL = 20_000  # rows of the closed form's own draws that training takes noise from
_FAR = 6.0  # of white scores
_CALLS, _TRIAL, _SMOOTH = 12, 1500, 60
_SPREAD = (0.75, 1.33)  # of a level's long draws, over those of the closed form
_HALVINGS = 3
_AFTER = 6.0  # trials' time that is kept for what follows the training of a net


@dataclass(frozen=True)
class Sizes:
    """Of a net: ``d`` channels, ``block`` and ``history`` steps, ``state`` numbers, ``calendar`` features a step."""

    d: int
    block: int
    history: int
    state: int
    calendar: int


@dataclass(eq=False)
class Lesson:
    """What a net is taught on.

    Attributes:
        series: whose net it is; channels: ``(T, D)``, covariates: ``(T, C)`` or None; room: ``(S, 2)`` first rows of
            segments, and those after their last. begin, held_begin: rows at which blocks start that are trained on and
            that judge; train, held: those blocks. seed: of everything that torch does not draw.
    """

    series: ChainedSeries
    channels: Floats
    covariates: Floats | None
    room: Ints
    begin: Ints
    held_begin: Ints
    train: Blocks
    held: Blocks
    seed: int

    def windows(self, begin: Ints) -> tuple[Tensor, Tensor]:
        """Real channels ``(M, P + K, D)`` and their calendar ``(M, P + K, C)``, of blocks and the steps before."""
        sizes = self.series.sizes
        rows = begin[:, None] + np.arange(-sizes.history, sizes.block)
        days = np.zeros((*rows.shape, 0)) if self.covariates is None else self.covariates[rows]
        return torch.from_numpy(self.channels[rows]).float(), torch.from_numpy(days).float()

    def free_windows(self, paths: int, rows: int, stride: int = 4) -> Floats:
        """``(M, P + K, D)`` windows of paths that the net draws as it is, path after path; always of the same seed."""
        series, size = self.series, self.series.sizes.block + self.series.sizes.history
        rows = int(min(rows, (self.room[:, 1] - self.room[:, 0]).max()))
        fits = self.room[self.room[:, 1] - self.room[:, 0] >= rows]
        rng = np.random.default_rng(11)
        stretch = fits[rng.integers(len(fits), size=paths)]
        begin = rng.integers(stretch[:, 0], stretch[:, 1] - rows + 1)
        past = np.stack([self.channels[a : a + _SMOOTH].mean(0, keepdims=True) for a in begin])
        own = None if self.covariates is None else self.covariates[np.maximum(begin[:, None] + np.arange(-1, rows), 0)]
        share, series.share = series.share, 1.0
        drawn = series.draw(paths, rows, past, own, seed=5)[:, min(rows // 4, _SMOOTH) :]
        series.share = share
        first = np.arange(0, drawn.shape[1] - size + 1, stride)
        return drawn[:, first[:, None] + np.arange(size)].reshape(-1, size, drawn.shape[2])


class BlockNet(nn.Module, ABC):
    """A net of blocks.

    Attributes:
        mixes: True where a share of the net means that so many blocks are the net's and the others the closed form's;
            False where draws go that part of the way from the closed form's to the net's.
    """

    mixes: ClassVar[bool] = True

    @abstractmethod
    def learn(self, lesson: Lesson, budget: Budget) -> tuple[float, float]:
        """Train (inside ``seeded``), and judge on blocks that training has not seen.

        Returns:
            The share of the net in draws (0: held-out blocks are told no better than by the closed form), and its gain
            on them, in the unit of the net's judge.
        """

    @abstractmethod
    def draw(self, noise: Tensor, past: Blocks, rng: np.random.Generator) -> Tensor:
        """``(B, K, D)`` white scores; ``noise`` of that shape is a draw of the closed form's law."""


@dataclass(eq=False, repr=False, kw_only=True)
class ChainedSpec(SeriesSpec, ABC):
    """What recipes of such nets share. ``slow``: is the net told where levels are? If not, it cannot change how they
    come back."""

    block: int = param(12, Interval(int, 2, 256), "steps drawn at once")
    history: int = param(12, Interval(int, 1, 256), "steps before a block that the net sees one by one")
    width: int = param(32, Interval(int, 8, 1024), "of hidden layers")
    depth: int = param(3, Interval(int, 1, 6), "convolutions, each of twice the reach of the one before")
    batch_size: int = param(128, Interval(int, 16, 8192), "blocks of a step")
    steps: int = param(1000, Interval(int, 1, None), "of training, at most; it ends where held-out blocks gain no more")
    lr: float = param(5e-4, Interval(float, 0, 1, "neither"), "learning rate")

    slow: ClassVar[bool] = True

    @abstractmethod
    def build(self, sizes: Sizes) -> BlockNet:
        """The net, untrained: its blocks are the closed form's."""

    def fit(
        self,
        channels: Floats,
        covariates: Floats | None = None,
        starts: Ints | None = None,
        *,
        about: Channels | None = None,
        seed: int = 0,
        budget: Budget = Budget(),  # noqa: B008
        device: torch.device | None = None,
    ) -> ChainedSeries:
        """Fit the closed form, and the net on what it leaves; see :meth:`SeriesSpec.fit`.

        About 15 % of the rows, in five stretches at most, are held out of the net's training (not of the closed form's)
        and say when to stop, and how much of the net is in draws. Ctrl-C keeps the best weights so far.

        Raises:
            TrainingError: too few rows for the closed form. (Too few for a net: a warning, and draws are those of the
                closed form.)
        """
        began = time.monotonic()
        starts = np.zeros(1, np.int64) if starts is None else np.asarray(starts, np.int64)
        about = Channels.plain(channels.shape[1]) if about is None else about
        closed = ClosedForm.fit(channels, covariates, starts, about)
        whitener = Whitener(closed, self.history, slow=self.slow)
        rows = whitener.rows(channels, covariates, starts)
        out = ChainedSeries(self, whitener, _Codec.fit(rows), 0 if covariates is None else covariates.shape[1])
        begin, held = _cut(rows, self.block, self.history)
        if len(begin) < _FEWEST or len(held) < _FEWEST_HELD:
            why = f"{len(begin)} blocks of {self.block} rows after {self.history} others are too few"
            _warn(f"{why} to train model {self.name!r}", "a longer series, or a recipe of shorter blocks")
            return out
        room = np.stack([starts, np.append(starts[1:], len(channels))], 1)
        device = torch.device("cpu") if device is None else device
        blocks = [out.blocks(rows, covariates, at).to(device) for at in (begin, held)]
        lesson = Lesson(out, channels, covariates, room, begin, held, blocks[0], blocks[1], seed)
        before = time.monotonic()
        usual = out._trial(channels, covariates, share=0.0)[0]
        now = time.monotonic()
        left = None if budget.seconds is None else budget.seconds - (now - began) - _AFTER * (now - before)
        if left is not None and left <= 0:
            _warn(f"argument 'max_seconds' leaves no time to train and to check model {self.name!r}", "more seconds")
            return out
        out.train(lesson, replace(budget, seconds=left), device)
        out.settle(channels, covariates, usual, None if left is None else now + left)
        return out

    @staticmethod
    def fitted_class() -> type[FittedSeries]:
        """See :meth:`SeriesSpec.fitted_class`."""
        return ChainedSeries


@dataclass(eq=False)
class _Codec:
    """States as nets are told them: standardised, clipped, and projected if they are many.

    Attributes:
        centre, spread: ``(F,)``; project: ``(F, R)``.
    """

    centre: Floats
    spread: Floats
    project: Floats

    @classmethod
    def fit(cls, rows: WhiteRows) -> _Codec:
        x = rows.state
        centre, spread = x.mean(0), x.std(0)
        spread = np.where(spread < 1e-9, np.inf, spread)
        z = np.clip((x - centre) / spread, -_CLIP, _CLIP)
        values, vectors = np.linalg.eigh(z.T @ z / len(z))
        keep = np.argsort(-values, kind="stable")[: min(_STATES, int((values > 1e-4 * values.max()).sum()))]
        return cls(centre, spread, vectors[:, keep] / np.sqrt(values[keep]))

    def code(self, state: Floats) -> Tensor:
        z = np.clip((state - self.centre) / self.spread, -_CLIP, _CLIP) @ self.project
        return torch.from_numpy(np.clip(z, -_CLIP, _CLIP)).float()


class ChainedSeries(SteppedSeries):
    """A closed form, and a net of the blocks of its white scores. No training row is kept.

    Attributes:
        share: of the net in draws, 0 to 1; gain: on held-out blocks, by the net's judge; shift: ``(D,)`` what is taken
            from its scores.
    """

    def __init__(self, spec: ChainedSpec, whitener: Whitener, codec: _Codec, calendar: int) -> None:
        self.spec, self.whitener, self.codec, self.channels = spec, whitener, codec, whitener.d
        self.sizes = Sizes(whitener.d, spec.block, spec.history, codec.project.shape[1], calendar)
        with seeded(0):  # weights are drawn again in training
            self.net = spec.build(self.sizes).eval()
        self.share, self.gain, self.shift = 0.0, 0.0, np.zeros(whitener.d)
        self.memory = max(whitener.closed.memory, spec.history + 1)

    # ---------------------------------------------------------------- fitting
    def train(self, lesson: Lesson, budget: Budget, device: torch.device) -> None:
        """Train the net anew."""
        with seeded(entropy(lesson.seed, 42), device):
            self.net = self.spec.build(self.sizes).to(device)
            self.share, self.gain = self.net.learn(lesson, budget)
        self.net = self.net.cpu().eval()

    def blocks(self, rows: WhiteRows, covariates: Floats | None, at: Ints) -> Blocks:
        """What starts ``at`` rows, and what it follows on."""
        white = torch.from_numpy(rows.white).float()
        ahead = at[:, None] + np.arange(self.sizes.block)
        calendar = np.zeros((*ahead.shape, 0)) if covariates is None else covariates[ahead]
        before = at[:, None] + np.arange(-self.sizes.history, 0)
        state = self.codec.code(rows.state[at])
        return Blocks(white[ahead], white[before], state, torch.from_numpy(calendar).float())

    def settle(self, c: Floats, covariates: Floats | None, usual: Floats, end: float | None) -> None:
        """Keep long draws in place: the mean of scores, spreads of levels (as in ``usual`` ones, of the closed form),
        and laws of changes. After the time ``end`` no smaller share of the net is tried, but none."""
        closed = self.whitener.closed
        plain = self.whitener.drawn(1, _POOL, np.random.default_rng(0))[0].mean(0)
        for k in range(_HALVINGS + 1):
            self.shift = np.zeros(self.sizes.d)
            if k == _HALVINGS or (k and end is not None and time.monotonic() > end):
                self.share = 0.0
            if not self.share:
                break
            for _ in range(2):
                drawn, white = self._trial(c, covariates, share=self.share)
                self.shift = self.shift + white - plain
            drawn, _ = self._trial(c, covariates, share=self.share)
            ratio = drawn.std(0) / np.maximum(usual.std(0), 1e-9)
            off = closed.about.level & ((ratio < _SPREAD[0]) | (ratio > _SPREAD[1]))
            if not off.any():
                break
            self.share /= 2
        if not self.share:
            return
        closed.margins = Margins.fit(drawn, c, ~closed.about.level, closed.about.least)

    def _trial(self, c: Floats, covariates: Floats | None, share: float) -> tuple[Floats, Floats]:
        """Long draws without maps ``(N, D)``, and the mean ``(D,)`` of their scores."""
        closed, own, margins = self.whitener.closed, self.share, self.whitener.closed.margins
        length = min(len(c), _TRIAL)
        begin = np.linspace(0, len(c) - length, _CALLS).astype(int)
        past = np.stack([c[a : a + _SMOOTH].mean(0, keepdims=True) for a in begin])
        rows = np.maximum(begin[:, None] + np.arange(-1, length), 0)
        self.share, closed.margins = share, Margins.same(self.sizes.d)
        try:
            rng = np.random.default_rng(7)
            drawn, white = self._paths(_CALLS, length, past, None if covariates is None else covariates[rows], rng)
        finally:
            self.share, closed.margins = own, margins
        skip = min(length // 5, _SMOOTH)
        return drawn[:, skip:].reshape(-1, self.sizes.d), white[:, skip:].mean((0, 1))

    # ---------------------------------------------------------------- drawing
    def _drawn(
        self, n: int, length: int, past: Floats | None, covariates: Floats | None, rng: np.random.Generator
    ) -> Floats:
        closed = self.whitener.closed
        return closed._bounded(closed.margins.apply(self._paths(n, length, past, covariates, rng)[0]))

    def _paths(
        self, n: int, length: int, past: Floats | None, covariates: Floats | None, rng: np.random.Generator
    ) -> tuple[Floats, Floats]:
        """``(n, length, D)`` channels before their maps, and their white scores."""
        whitener, size = self.whitener, self.sizes.block
        walk = whitener.begin(n, past, covariates, rng)
        at = 0 if past is None else past.shape[1]
        out, scores = np.empty((n, length, self.sizes.d)), np.empty((n, length, self.sizes.d))
        calendar = np.zeros((n, length, 0)) if covariates is None else covariates[:, at:]
        calendar = np.broadcast_to(calendar, (n, *calendar.shape[1:]))
        for a in range(0, length, size):
            ahead = calendar[:, np.minimum(np.arange(a, a + size), length - 1)]
            first = None if covariates is None else calendar[:, a]
            noise = whitener.drawn(n, size, rng)
            white = noise
            if self.share:
                state = whitener.state(walk.memory, first)[2]
                white = self._block(noise, walk.history, state, ahead, rng)
            z = whitener.residuals(white)
            for k in range(min(size, length - a)):
                out[:, a + k], _ = whitener.step(walk.memory, z[:, k], None if covariates is None else ahead[:, k])
            scores[:, a : a + size] = white[:, : length - a]
            walk.history = np.concatenate([walk.history, white], axis=1)[:, -self.sizes.history :]
        return out, scores

    @torch.no_grad()
    def _block(
        self, noise: Floats, history: Floats, state: Floats, calendar: Floats, rng: np.random.Generator
    ) -> Floats:
        base = torch.from_numpy(noise).float()
        past = Blocks(base, torch.from_numpy(history).float(), self.codec.code(state), torch.tensor(calendar).float())
        device = next(self.net.parameters()).device
        with single_precision():
            drawn = self.net.draw(base.to(device), past.to(device), rng).double().cpu().numpy() - self.shift
        if self.net.mixes:
            drawn = np.where(rng.random((len(noise), 1, 1)) < self.share, drawn, noise)
        else:
            drawn = noise + self.share * (drawn - noise)
        return np.clip(drawn, -_FAR, _FAR)

    # ---------------------------------------------------------------- state
    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """See :meth:`FittedSeries.to_state`."""
        value, own = self.whitener.closed.to_state()
        arrays: dict[str, NDArray[Any]] = {f"closed/{k}": v for k, v in own.items()}
        arrays |= {f"net/{k}": v.detach().numpy() for k, v in self.net.state_dict().items()}
        arrays |= {"centre": self.codec.centre, "spread": self.codec.spread, "project": self.codec.project}
        arrays["shift"] = self.shift
        fields = {"name": self.spec.name, "params": self.spec.get_params(deep=False), "closed": value}
        return fields | {"calendar": self.sizes.calendar, "share": self.share, "gain": self.gain}, arrays

    @classmethod
    def from_state(cls, value: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> ChainedSeries:
        """The inverse of :meth:`to_state`."""
        from synthkit.series import SERIES_MODELS  # which imports this module

        spec = SERIES_MODELS[value["name"]](**value["params"])
        assert isinstance(spec, ChainedSpec)
        closed = ClosedForm.from_state(value["closed"], io.below(arrays, "closed/"))
        whitener = Whitener(closed, spec.history, slow=spec.slow)
        codec = _Codec(*(np.asarray(arrays[k]) for k in ("centre", "spread", "project")))
        out = cls(spec, whitener, codec, int(value["calendar"]))
        out.net.load_state_dict({k: torch.tensor(v) for k, v in io.below(arrays, "net/").items()})
        out.share, out.gain, out.shift = float(value["share"]), float(value["gain"]), np.asarray(arrays["shift"])
        return out


def _warn(why: str, remedy: str) -> None:
    text = f"SequenceSynthesizer.fit: {why}; draws are those of the closed form beneath it. Give {remedy}."
    warnings.warn(text, SynthkitWarning, stacklevel=5)


def _cut(rows: WhiteRows, block: int, history: int) -> tuple[Ints, Ints]:
    """Where blocks start that are trained on, and those that are held out; no row is in both, history included."""
    many = len(rows.age)
    first = np.arange(many - block + 1) if many >= block else np.zeros(0, np.int64)
    whole = (rows.age[first] >= history) & (rows.age[first + block - 1] == rows.age[first] + block - 1)
    first = first[whole]
    least = 2 * (block + history)
    parts = int(np.clip(_HELD * many / least, 1, _PARTS))
    edges = (np.arange(parts) + 0.5) * many / parts
    half = max(_HELD * many / parts, least) / 2
    inside, apart = np.zeros(len(first), bool), np.ones(len(first), bool)
    for middle in edges:
        a, b = middle - half, middle + half
        inside |= (first - history >= a) & (first + block <= b)
        apart &= (first + block <= a) | (first - history >= b)
    return first[apart], first[inside]
