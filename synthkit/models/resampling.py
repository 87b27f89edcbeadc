"""Several conditions at once: importance resampling of what the conditioned columns are drawn as.

A model that draws column after column meets a condition on each by cutting that column's law. With two or more, the
first is then drawn as if the later ones were not there. So many candidates are drawn that way, each weighted by the
probability of its later conditions given what it is so far, and rows are picked from them by weight (sampling
importance resampling: Rubin, "The SIR algorithm", JASA 82, 1987; chosen systematically: Kitagawa, 1996).
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
    drawn, kept, effective = 0, None, 0.0
    for _ in range(rounds):
        candidates, log_weight = draw(many)
        drawn, log_weight = drawn + size, log_weight.double()
        own = float(log_weight.logsumexp(0))
        if not math.isfinite(own):
            continue
        before, total = total, _log_add(total, own)
        squares = _log_add(squares, float((2 * log_weight).logsumexp(0)))
        chosen = candidates.take(systematic((log_weight - own).exp(), rows))
        # Each place goes over to this round by its share of the weight so far.
        fresh = torch.rand(rows, device=log_weight.device) < math.exp(own - total)
        kept = chosen if kept is None or before == -math.inf else _either(fresh, chosen, kept)
        effective = math.exp(2 * total - squares)
        if effective >= max(2 * rows, _ENOUGH):
            break
    probability = math.exp(total) / drawn
    if kept is None or probability < _NEVER:
        raise ConditionError(
            f"Model.complete: nothing meets the conditions together ({drawn} candidates were tried); drop one or "
            "widen it."
        )
    return kept, Joint(rows, drawn, effective, probability)


def systematic(weight: Tensor, rows: int) -> Tensor:
    """``(rows,)`` candidates picked by weight, in random order."""
    cumulative = weight.cumsum(0)
    points = (torch.arange(rows, device=weight.device) + torch.rand((), device=weight.device)) / rows
    picked = torch.searchsorted(cumulative, points * cumulative[-1] * (1 - 1e-12), right=True)
    return picked.clamp(max=len(weight) - 1)[torch.randperm(rows, device=weight.device)]


def _either(mask: Tensor, yes: Encoded, no: Encoded) -> Encoded:
    """Rows of ``yes`` under the mask, the others of ``no``."""
    pairs = ((yes.num, no.num), (yes.cat, no.cat), (yes.num_known, no.num_known), (yes.cat_known, no.cat_known))
    return Encoded(*(torch.where(mask[:, None], a, b) for a, b in pairs))


def _log_add(a: float, b: float) -> float:
    high, low = max(a, b), min(a, b)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))
