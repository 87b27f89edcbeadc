"""Where a gap leads to: the answer for the gap leans on the calendar of the day, or hour, to which each cell leads.

Interest is booked on the last of a month, a clinic has its weekdays, a pump reports on the hour. Whether a gap of so
many days is likely depends on the date from which it is counted in a way that no smooth function of both can hold; but
it is a plain table in the date that it leads to. So the logits of a gap's cells get heights by hour, weekday and day of
the month of (time of the row before + the cell's gap). The last day of a month counts as a day of its own, and so does
how many ends of months are passed over: what comes every month is not left out. Heights are linear in the row's inputs
and in the hidden units of the net.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from synthkit.layout import Layout
from synthkit.models.nets import Node
from synthkit.models.scales import Scales

__all__ = ["Landing"]

_SIZES = {"hour": 24, "weekday": 7, "day": 32, "ends": 4}  # ends of months that are passed over
_GRAIN = {"hour": 1 / 24, "weekday": 1.0, "day": 1.0, "ends": 8.0}  # days
_FAR = {"hour": 3.0, "weekday": 70.0, "day": 100.0, "ends": 1000.0}  # days, beyond which a cell has no date of its own
_RIDGE = 1e-3


class Landing(nn.Module):
    """Heights by calendar. Shapes: B rows, C cells of the gap, P codes of all parts, S inputs, H hidden units.

    Attributes:
        gap: its node; -1: there is no calendar; cells: of its law.
    """

    centre: Tensor

    def __init__(self, layout: Layout, nodes: Sequence[Node], inputs: int, hidden: int) -> None:
        super().__init__()
        self.gap, self.cells = -1, 0
        at = {node.field: i for i, node in enumerate(nodes)}
        calendar = layout.calendar
        if calendar is None or calendar.gap not in layout.laws or calendar.gap not in at:
            return
        parts = [part for part in calendar.parts if part in _SIZES]
        if not parts:
            return
        parts += ["ends"] * ("day" in parts)
        self.gap = at[calendar.gap]
        self.slot, self.parts = layout.slot[calendar.clock], parts
        law = layout.laws[calendar.gap]
        self.cells = law.n_cells
        scales, codes = Scales([law]), torch.arange(law.n_cells)[None]
        ends = [scales.values(codes, torch.full(codes.shape, x))[0] * calendar.days for x in (0.0, 0.5, 1.0)]
        self.register_buffer("centre", ends[1].float(), persistent=False)
        wide = (ends[2] - ends[0]).float()
        self.exact = {p: (wide < 0.6 * _GRAIN[p]) & (ends[1].float() < _FAR[p]) for p in parts}
        self.first = {p: sum(_SIZES[q] for q in parts[:k]) for k, p in enumerate(parts)}
        total = sum(_SIZES[p] for p in parts)
        self.weight = nn.Parameter(torch.zeros(inputs + 1, total + 1))  # the last code is for cells without a date
        self.head = nn.Parameter(torch.zeros(hidden, total + 1))

    def __bool__(self) -> bool:
        return self.gap >= 0

    def codes(self, days: Tensor) -> list[Tensor]:
        """Per part, ``(B, C)`` codes of the dates that the cells lead to from ``days`` ``(B,)`` (since 1970, by the
        clock on the wall), in the columns of the heights."""
        last = self.weight.shape[1] - 1
        when = days.double()[:, None] + self.centre.double()
        whole = (when + 1e-3).floor().long()
        out = []
        for part in self.parts:
            if part == "hour":
                code = ((when - whole) * 24 + 0.05).floor().long().clamp(0, 23)
            elif part == "ends":
                after = days.double()[:, None].floor().long() + 1
                code = (_civil(whole)[0] - _civil(after)[0]).clamp(0, _SIZES["ends"] - 1)
            else:
                code = (whole + 3) % 7 if part == "weekday" else _day_of_month(whole)
            out.append(torch.where(self.exact[part].to(code.device), code + self.first[part], last))
        return out

    def lean(self, num: Tensor, x: Tensor, h: Tensor) -> Tensor:
        """``(B, C)`` what is added to the logits of the gap.

        Args:
            num: the rows' real-valued fields, among them the time of the row before; x: ``(B, S)``; h: ``(B, H)``.
        """
        heights = torch.addmm(self.weight[-1], x, self.weight[:-1]) + h @ self.head
        return torch.stack([heights.gather(1, code) for code in self.codes(num[:, self.slot])]).sum(0)

    def fit(self, num: Tensor, goal: Tensor, bias: Tensor) -> None:
        """Start the heights where they are likeliest, the same for all rows.

        Args:
            num: ``(R, ...)`` as in :meth:`lean`; goal: ``(R,)`` cells; bias: ``(C,)`` logits without a calendar.
        """
        if len(goal) < 50:
            return
        codes = self.codes(num[:, self.slot])
        weight = torch.zeros(self.weight.shape[1], device=num.device, requires_grad=True)
        shift = torch.zeros_like(bias, requires_grad=True)
        optimizer = torch.optim.LBFGS([weight, shift], max_iter=40, history_size=10, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            logits = bias + shift + torch.stack([weight[code] for code in codes]).sum(0)
            value = nn.functional.cross_entropy(logits, goal) + _RIDGE * (weight.square().sum() + shift.square().sum())
            value.backward()  # type: ignore[no-untyped-call]
            return value

        with torch.enable_grad():
            optimizer.step(loss)  # type: ignore[arg-type, no-untyped-call]
        with torch.no_grad():
            self.weight[-1] = weight


def _day_of_month(days: Tensor) -> Tensor:
    """0 to 30, and 31 for the last day of a month, of days since 1970 (Howard Hinnant's civil calendar).

    >>> _day_of_month(torch.tensor([0, 30, 58, 59])).tolist()
    [0, 31, 31, 0]
    """
    return torch.where(_civil(days + 1)[1] == 1, 31, _civil(days)[1] - 1)


def _civil(days: Tensor) -> tuple[Tensor, Tensor]:
    """Months, counted, and days of the month, from 1."""
    z = days + 719468
    era = z.div(146097, rounding_mode="floor")
    doe = z - era * 146097
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    month = (5 * doy + 2) // 153
    return (yoe + era * 400) * 12 + month, doy - (153 * month + 2) // 5 + 1
