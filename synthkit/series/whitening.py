"""What the closed form leaves to nets: residuals as white normal scores, and the state that they were drawn in.

``c = mean + scale x z`` with the closed form's mean and scale of what came before; z has known margins and a copula, so
that ``w``, its normal scores without their linear correlation, is nearly standard normal and independent in time. Nets
learn the law of blocks of w given the state. Draws go the other way, step by step, so that a block ends in the very
state in which the next begins: paths have no seams, whatever a net says.

Shapes: T rows, n draws, D channels, P steps of history, F numbers of a state.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, ndtr
from scipy.stats import t as student

from synthkit.series.closed import ClosedForm
from synthkit.series.memory import State

__all__ = ["Walk", "WhiteRows", "Whitener"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_FAR = 6.0  # of white scores


@dataclass(eq=False)
class WhiteRows:
    """Training rows: ``white`` ``(T, D)`` scores, ``state`` ``(T, F)`` in which each was drawn, ``age`` ``(T,)`` rows
    of its segment before it."""

    white: Floats
    state: Floats
    age: Ints


@dataclass(eq=False)
class Walk:
    """n paths under way: the closed form's ``memory``, and ``history`` ``(n, P, D)`` of white scores."""

    memory: State
    history: Floats


class Whitener:
    """Both ways between channels and white scores.

    Attributes:
        closed: its own, whose maps of draws are those of the net; history: steps that a walk keeps. slow: do states say
            where levels are?
    """

    def __init__(self, closed: ClosedForm, history: int, *, slow: bool) -> None:
        self.closed, self.history, self.slow = closed, history, slow
        self.d = len(closed.about.level)

    # ---------------------------------------------------------------- scores
    def white(self, z: Floats) -> Floats:
        """``(N, D)`` white scores of residuals."""
        g = self.closed.law.scores(z)
        return np.clip(np.linalg.solve(self.closed.law.factor, g.T).T, -_FAR, _FAR)

    def residuals(self, white: Floats) -> Floats:
        """``(..., D)`` residuals of white scores."""
        g = white @ self.closed.law.factor.T
        return np.stack([law.values(g[..., j]) for j, law in enumerate(self.closed.law.laws)], -1)

    def drawn(self, n: int, length: int, rng: np.random.Generator) -> Floats:
        """``(n, length, D)`` white scores of the closed form's own law."""
        z = self.closed.law.draw(n, length, rng)
        return self.white(z.reshape(-1, self.d)).reshape(n, length, self.d)

    def log_density(self, white: Floats) -> Floats:
        """``(...)`` nats of white scores ``(..., D)`` under the closed form's copula."""
        plain = -0.5 * (white**2).sum(-1) - 0.5 * self.d * np.log(2 * np.pi)
        law = self.closed.law
        nu, d = law.degrees, self.d
        if not np.isfinite(nu):
            return plain
        g = np.clip(white @ law.factor.T, -_FAR, _FAR)
        x = student.ppf(ndtr(g), nu)
        quad = (np.linalg.solve(law.factor, x.reshape(-1, d).T) ** 2).sum(0).reshape(x.shape[:-1])
        joint = gammaln((nu + d) / 2) - gammaln(nu / 2) - (nu + d) / 2 * np.log1p(quad / nu)
        single = d * (gammaln((nu + 1) / 2) - gammaln(nu / 2)) - (nu + 1) / 2 * np.log1p(x**2 / nu).sum(-1)
        # the copula's density is joint / (single |L|), that of w is |L| times that of g
        return joint - single - 0.5 * (g**2).sum(-1) - 0.5 * d * np.log(2 * np.pi)

    # ---------------------------------------------------------------- steps
    def state(self, memory: State, covariates: Floats | None) -> tuple[Floats, Floats, Floats]:
        """Mean ``(n, D)`` and log scale ``(n, D)`` of the next step, and ``(n, F)`` what nets are told of the past:
        both, the last two steps, moving means, and logs of moving squares; unless ``slow``, of levels scales alone."""
        mean, logs = self.closed._next(memory, covariates)
        n = len(mean)
        told = slice(None) if self.slow else ~self.closed.about.level
        parts = [mean[:, told], memory.lags[:, :2, told], memory.means[..., told], logs, np.log(memory.squares + 1e-3)]
        return mean, logs, np.concatenate([p.reshape(n, -1) for p in parts], axis=1)

    def step(self, memory: State, z: Floats, covariates: Floats | None) -> tuple[Floats, Floats]:
        """``(n, D)`` channels of residuals ``z``, and their scales; the memory takes them in."""
        closed = self.closed
        mean, logs = closed._next(memory, covariates)
        return closed.take_step(memory, mean, logs, z)

    def take(self, memory: State, c: Floats, covariates: Floats | None) -> tuple[Floats, Floats]:
        """Residuals ``(n, D)`` of channels ``c`` that came, and the state before them; the memory takes them in."""
        mean, logs, state = self.state(memory, covariates)
        return self.closed.undo_step(memory, mean, logs, c), state

    # ---------------------------------------------------------------- many steps
    def rows(self, c: Floats, covariates: Floats | None, starts: Ints) -> WhiteRows:
        """All training rows, each after those before it in its segment."""
        ends = np.append(starts[1:], len(c))
        z, states = np.empty_like(c), []
        for a, b in zip(starts, ends, strict=True):
            memory, _ = self.closed._state(1, None, None)
            for t in range(a, b):
                z[t], state = self.take(memory, c[t : t + 1], None if covariates is None else covariates[t : t + 1])
                states.append(state[0])
        age = np.arange(len(c)) - np.repeat(starts, ends - starts)
        return WhiteRows(self.white(z), np.stack(states), age)

    def begin(self, n: int, past: Floats | None, covariates: Floats | None, rng: np.random.Generator) -> Walk:
        """Paths after ``past`` ``(n or 1, P, D)``; a history that is too short begins with draws."""
        memory, _ = self.closed._state(n, None, None)
        history = self.drawn(n, self.history, rng)
        if past is None:
            return Walk(memory, history)
        length, last = past.shape[1], []
        for t in range(max(length - self.closed.memory, 0), length):
            x = None if covariates is None else np.broadcast_to(covariates[:, t], (n, covariates.shape[2]))
            c = np.broadcast_to(self.closed.margins.undo(past[:, t]), (n, self.d))
            z, _ = self.take(memory, c, x)
            if t >= max(length - self.history, 1):  # the first row is a level to start from, no residual
                last.append(z)
        if last:
            own = self.white(np.concatenate(last)).reshape(len(last), n, self.d).swapaxes(0, 1)
            history = np.concatenate([history[:, len(last) :], own], axis=1)
        return Walk(memory, history)
