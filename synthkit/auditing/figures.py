"""What audits report: an attack in numbers and in words, and the bars that it is held against."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from synthkit.metrics.attacks import Attack
from synthkit.metrics.rates import Interval

__all__ = ["Bars", "attack_dict", "attack_line", "plain"]


class Judged(Protocol):
    """An attack with intervals of its AUC and of its TPR at 1 % false alarms."""

    @property
    def interval(self) -> Interval: ...
    @property
    def tpr_interval(self) -> Interval: ...


@dataclass(frozen=True)
class Bars:
    """Upper ends of 95 % intervals that an attack may reach.

    Attributes:
        auc: of its AUC, .5 being chance.
        tpr: of the share of members found at 1 % false alarms, .01 being chance.
    """

    auc: float = 0.55
    tpr: float = 0.02

    def kept(self, attack: Judged) -> bool:
        """Are both upper ends at or below the bars? A TPR that too few rows tell is not kept."""
        return attack.interval[1] <= self.auc and attack.tpr_interval[1] <= self.tpr

    def to_dict(self) -> dict[str, float]:
        """For JSON."""
        return {"auc_upper": self.auc, "tpr_at_1_percent_upper": self.tpr}


def attack_dict(attack: Attack) -> dict[str, Any]:
    """An attack as plain numbers; NaN becomes None."""
    figures: dict[str, Any] = {
        "auc": attack.auc,
        "auc_interval": list(attack.interval),
        "tpr_at_1_percent": attack.tpr,
        "tpr_interval": list(attack.tpr_interval),
        "auc_isolated": attack.isolated,
        "members": attack.members,
        "controls": attack.controls,
        "detectable_auc": attack.detectable,
    }
    return {name: plain(value) for name, value in figures.items()}


def plain(value: Any) -> Any:
    """The value with NaN and infinity as None, also inside lists; numbers of numpy as Python's.

    >>> plain([np.float64(0.5), math.nan, 3])
    [0.5, None, 3]
    """
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value


def attack_line(attack: Attack) -> str:
    """An attack in a line."""
    found = f"AUC {attack.auc:.3f} in [{attack.interval[0]:.3f}, {attack.interval[1]:.3f}]"
    if math.isnan(attack.tpr):
        return found
    return f"{found}, TPR at 1 % false alarms {attack.tpr:.3f} (at most {attack.tpr_interval[1]:.3f})"
