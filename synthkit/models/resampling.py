"""Several conditions at once: importance resampling of what the conditioned columns are drawn as.

A model that draws column after column meets a condition on each by cutting that column's law. With two or more, the
first is then drawn as if the later ones were not there. So many candidates are drawn that way, each weighted by the
probability of its later conditions given what it is so far, and rows are picked from them by weight (sampling
importance resampling: Rubin, "The SIR algorithm", JASA 82, 1987; chosen systematically: Kitagawa, 1996). The rounds'
candidates are one pool, so that none is picked twice that weighs no more than a row's share of it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from synthkit.errors import ConditionError, SynthkitWarning
from synthkit.layout import Encoded

__all__ = ["Joint", "alike", "draw_jointly", "systematic"]

_CHUNK = 2048, 8192  # candidates of one round, at least and at most
_ROUNDS = 64
_ENOUGH = 256  # effective candidates, however few rows are wanted
_SPARE = 4  # candidates that are kept per wanted row
_NEVER = 1e-9  # a joint probability below this is a model's smoothing, not a law


@dataclass(frozen=True)
class Joint:
    """How a draw under several conditions went.

    Attributes:
        rows: wanted; drawn: candidates; effective: how many independent ones they are worth (Kong, 1992).
        probability: that a row meets all the conditions.
    """

    rows: int
    drawn: int
    effective: float
    probability: float

    @staticmethod
    def sum(parts: Sequence[Joint]) -> Joint | None:
        """Several blocks as one; warns where the candidates are worth less than the rows drawn from them."""
        if not parts:
            return None
        drawn = sum(part.drawn for part in parts)
        met = sum(part.probability * part.drawn for part in parts)
        total = Joint(sum(p.rows for p in parts), drawn, sum(p.effective for p in parts), met / drawn)
        if total.effective < total.rows:
            warnings.warn(
                f"the conditions meet in about {total.probability:.1g} of all rows, and {total.rows} rows were drawn "
                f"from candidates worth {total.effective:.0f}: some share values in the columns that 'where' names; "
                "widen a condition, or ask for fewer rows.",
                SynthkitWarning,
                stacklevel=4,
            )
        return total


def alike(partial: Encoded) -> bool:
    """Whether every row knows the same, so that all can share their candidates."""
    parts = (partial.num, partial.cat, partial.num_known, partial.cat_known)
    return all(bool((part == part[:1]).all()) for part in parts)


def draw_jointly(
    draw: Callable[[Encoded], tuple[Encoded, Tensor]], partial: Encoded, rounds: int = _ROUNDS
) -> tuple[Encoded, Joint]:
    """The rows of ``partial`` with the conditioned entries known, drawn from their law given all conditions.

    Args:
        draw: draws the conditioned entries of a partial, and the log of each row's weight, ``(rows,)``.
        partial: one row or more, all alike.
        rounds: at most.

    Raises:
        ConditionError: no candidate can meet the conditions.
    """
    rows = len(partial)
    size = min(max(rows, _CHUNK[0]), _CHUNK[1])
    many = partial.take(torch.zeros(size, dtype=torch.long, device=partial.cat.device))
    total = squares = -math.inf  # logarithms, as weights may be tiny
    drawn, pool, effective = 0, None, 0.0
    weights = torch.zeros(0, dtype=torch.float64, device=partial.cat.device)
    for _ in range(rounds):
        candidates, log_weight = draw(many)
        drawn, log_weight = drawn + size, log_weight.double()
        own = float(log_weight.logsumexp(0))
        if not math.isfinite(own):
            continue
        total, squares = _log_add(total, own), _log_add(squares, float((2 * log_weight).logsumexp(0)))
        pool = candidates if pool is None else Encoded.concat([pool, candidates])
        weights = torch.cat([weights, log_weight])
        if len(pool) > max(_SPARE * rows, size):
            at, weights = thinned(weights, max(_SPARE * rows, size))
            pool = pool.take(at)
        effective = math.exp(2 * total - squares)
        if effective >= max(2 * rows, _ENOUGH):
            break
    probability = math.exp(total) / drawn
    if pool is None or probability < _NEVER:
        raise ConditionError(
            f"Model.complete: nothing meets the conditions together ({drawn} candidates were tried); drop one or "
            "widen it."
        )
    return pool.take(systematic((weights - weights.max()).exp(), rows)), Joint(rows, drawn, effective, probability)


def systematic(weight: Tensor, rows: int) -> Tensor:
    """``(rows,)`` candidates picked by weight, in random order."""
    cumulative = weight.cumsum(0)
    points = (torch.arange(rows, device=weight.device) + torch.rand((), device=weight.device)) / rows
    picked = torch.searchsorted(cumulative, points * cumulative[-1] * (1 - 1e-12), right=True)
    return picked.clamp(max=len(weight) - 1)[torch.randperm(rows, device=weight.device)]


def thinned(log_weight: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """At most so many different candidates, and the logarithms of weights that stand for those of all.

    The heavy ones stay as they are; each of the others stays with a chance that goes by its weight, and then has the
    weight of all (the optimal resampling of Fearnhead & Clifford, JRSS B 65, 2003). Expected weights do not change.
    """
    weight = (log_weight - log_weight.max()).exp()
    sure = torch.zeros_like(weight, dtype=torch.bool)
    while True:
        chance = torch.where(sure, 1.0, weight * (most - int(sure.sum())) / weight[~sure].sum().clamp(min=1e-300))
        heavy = chance > 1
        if not bool(heavy.any()):
            break
        sure |= heavy
    points = torch.arange(most, device=weight.device) + torch.rand((), dtype=torch.float64, device=weight.device)
    at = torch.searchsorted(chance.cumsum(0), points[points < chance.sum()], right=True).clamp(max=len(weight) - 1)
    return at, log_weight[at] - chance[at].log()


def _log_add(a: float, b: float) -> float:
    high, low = max(a, b), min(a, b)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))
