"""The joint law of what is left: a t copula with semi-parametric margins (no residual of a training row is kept)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, ndtr, ndtri
from scipy.stats import t as student

from synthkit import io
from synthkit.series.linear import correlations
from synthkit.series.scores import ScoreLaw

__all__ = ["ResidualLaw"]

Floats = NDArray[np.float64]
_DEGREES = (4.0, 6.0, 8.0, 12.0, 20.0, 40.0, np.inf)
_TABLE = np.linspace(-12, 12, 4001)


@dataclass(eq=False)
class ResidualLaw:
    """Margins, and the copula.

    Attributes:
        laws: a margin per channel; factor: ``(D, D)`` lower root of the correlation of scores; degrees: of the copula.
    """

    laws: list[ScoreLaw]
    factor: Floats
    degrees: float

    @classmethod
    def fit(cls, z: Floats, least: int = 1) -> ResidualLaw:
        """Learn ``(N, D)`` residuals of spread about 1; ``least`` rows stand behind every number that is stored."""
        rng = np.random.default_rng(1)
        least = max(least, min(5, len(z) // 50))
        laws = [ScoreLaw.fit(x, min_count=least, reach=1.2) for x in z.T]
        scores = np.stack([law.scores(x, rng) for law, x in zip(laws, z.T, strict=True)], 1)
        best, root, degrees = -np.inf, np.eye(z.shape[1]), float("inf")
        for nu in _DEGREES if z.shape[1] > 1 else (np.inf,):
            x = scores if np.isinf(nu) else student.ppf(ndtr(scores), nu)
            gain, factor = _likelihood(x, nu)
            if gain > best:
                best, root, degrees = gain, factor, nu
        return cls(laws, root, degrees)

    def scores(self, z: Floats) -> Floats:
        """``(N, D)`` normal scores of residuals."""
        rng = np.random.default_rng(2)
        return np.stack([law.scores(x, rng) for law, x in zip(self.laws, z.T, strict=True)], 1)

    def draw(self, n: int, length: int, rng: np.random.Generator) -> Floats:
        """``(n, length, D)`` residuals, independent from step to step."""
        g = rng.standard_normal((n, length, len(self.laws))) @ self.factor.T
        if np.isfinite(self.degrees):
            g *= np.sqrt(self.degrees / rng.chisquare(self.degrees, (n, length, 1)))
            table = ndtri(np.clip(student.cdf(_TABLE, self.degrees), 1e-12, 1 - 1e-12))
            g = np.interp(g, _TABLE, table)
        return np.stack([law.values(g[..., j]) for j, law in enumerate(self.laws)], -1)

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A JSON value and arrays."""
        arrays: dict[str, NDArray[Any]] = {"factor": self.factor}
        for j, law in enumerate(self.laws):
            arrays |= {f"law/{j}/{k}": v for k, v in law.to_state().items()}
        return {"degrees": self.degrees}, arrays

    @classmethod
    def from_state(cls, value: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> ResidualLaw:
        laws = [ScoreLaw.from_state(io.below(arrays, f"law/{j}/")) for j in range(len(arrays["factor"]))]
        return cls(laws, np.asarray(arrays["factor"]), float(value["degrees"]))


def _likelihood(x: Floats, nu: float) -> tuple[float, Floats]:
    """Log density per row of the t copula with the correlation of ``x``, and its root."""
    n, d = x.shape
    correlation = correlations(x)
    shrink = min(0.01 + 0.02 * d / n, 0.5)  # a singular matrix has no root
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)
    floor = max(shrink * 0.05, 1e-6)
    correlation = (vectors * np.maximum(values, floor)) @ vectors.T
    spread = np.sqrt(np.diag(correlation))
    correlation /= np.outer(spread, spread)
    factor = np.linalg.cholesky(correlation)
    quad = (np.linalg.solve(factor, x.T) ** 2).sum(0)
    logdet = float(np.log(np.diag(factor)).sum())
    if np.isinf(nu):
        return float((-0.5 * quad + 0.5 * (x**2).sum(1)).mean()) - logdet, factor
    joint = gammaln((nu + d) / 2) - gammaln(nu / 2) - (nu + d) / 2 * np.log1p(quad / nu)
    single = d * (gammaln((nu + 1) / 2) - gammaln(nu / 2)) - (nu + 1) / 2 * np.log1p(x**2 / nu).sum(1)
    return float((joint - single).mean()) - logdet, factor
