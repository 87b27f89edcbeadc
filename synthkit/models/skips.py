"""Straight ways from real-valued inputs to a net's answer: a generalised linear model under every net.

The logits of node i get (x @ W_i) @ B_i, where x are the inputs of a row and B_i a few directions: of an ordered node
smooth functions of the code's place in its law (with the normal score and its square: a Gaussian whose mean and width
are linear in x), of another one its tokens themselves. Before the nets learn anything, W is fitted by penalised maximum
likelihood (the lasso; Tibshirani, JRSS B 58, 1996; by accelerated proximal steps, Beck and Teboulle, SIAM J. Imaging
Sciences 2, 2009). Few rows overfit nets before they have learnt that tomorrow is like today; a line is learnt at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from synthkit.models.nets import Node, places

__all__ = ["Skips"]

_SMOOTH = 4  # directions of an ordered node
_MOST = 64  # tokens of an unordered node that has its own straight way
_ROUNDS = 400  # of proximal steps
_OWN = 0.1  # of the penalty, for what tells of the node's own column
_PENALTY = 0.2  # times the level at which a feature of pure chance would enter


class Skips(nn.Module):
    """Weights and directions. Shapes: S inputs, B rows, N nodes that are drawn, D directions of all nodes.

    Args:
        inputs: S; nodes: all nodes; drawn: those with nets; outputs: answers of every node; buckets: drawn nodes whose
            answers are padded to one size.
    """

    def __init__(
        self,
        inputs: int,
        nodes: Sequence[Node],
        drawn: Sequence[int],
        outputs: Sequence[int],
        buckets: Sequence[Sequence[int]],
    ) -> None:
        super().__init__()
        self.rows = 4096  # that W is fitted to
        self.nodes, self.outputs, self.buckets = nodes, outputs, buckets
        widths = {i: self._width(i) for i in drawn}
        self.span: dict[int, slice] = {}
        start = 0
        for i in drawn:
            self.span[i] = slice(start, start + widths[i])
            start += widths[i]
        self.owner = torch.tensor([k for k, i in enumerate(drawn) for _ in range(widths[i])], dtype=torch.long)
        self.weight = nn.Parameter(torch.zeros(inputs, start))
        for k, bucket in enumerate(buckets):
            size = max(outputs[i] for i in bucket)
            most = max(max(widths[i] for i in bucket), 1)
            self.register_buffer(f"basis{k}", torch.zeros(len(bucket), most, size), persistent=False)
            columns = torch.full((len(bucket), most), start)
            for r, i in enumerate(bucket):
                columns[r, : widths[i]] = torch.arange(self.span[i].start, self.span[i].stop)
            self.register_buffer(f"columns{k}", columns, persistent=False)

    def _width(self, i: int) -> int:
        node = self.nodes[i]
        rest = self.outputs[i] - node.size  # null, copies
        if node.ordered and node.size > _SMOOTH:
            return _SMOOTH + rest
        return self.outputs[i] if node.size <= _MOST else rest

    @torch.no_grad()
    def shape(self, middle: dict[int, Tensor]) -> None:
        """The directions; ``middle``: per ordered node, the middles of its codes in their law."""
        for k, bucket in enumerate(self.buckets):
            basis = self.get_buffer(f"basis{k}")
            for r, i in enumerate(bucket):
                node, rest = self.nodes[i], self.outputs[i] - self.nodes[i].size
                first = 0
                if node.ordered and node.size > _SMOOTH:
                    basis[r, :_SMOOTH, : node.size] = places(middle[i], _SMOOTH).T
                    first = _SMOOTH
                elif node.size <= _MOST:
                    basis[r, : node.size, : node.size] = torch.eye(node.size)
                    first = node.size
                basis[r, first : first + rest, node.size : node.size + rest] = torch.eye(rest)

    def bucket(self, k: int, x: Tensor) -> Tensor:
        """``(n, B, size)`` what is added to the logits of bucket k, from ``(B, S)`` inputs."""
        pad = torch.cat([self.weight, self.weight.new_zeros(len(self.weight), 1)], 1)
        columns = self.get_buffer(f"columns{k}")
        out = x @ pad[:, columns.flatten()]
        return torch.bmm(out.view(len(x), *columns.shape).transpose(0, 1), self.get_buffer(f"basis{k}"))

    def node(self, i: int, k: int, r: int, x: Tensor) -> Tensor:
        """``(B, answers)`` the same of one node, row r of bucket k."""
        at = self.span[i]
        basis = self.get_buffer(f"basis{k}")[r, : at.stop - at.start, : self.outputs[i]]
        return x @ self.weight[:, at] @ basis

    @torch.no_grad()
    def fit(
        self,
        x: Tensor,
        goals: Tensor,
        counts: Tensor,
        bias: Sequence[Tensor],
        weight: Tensor | None,
        own: Tensor,
        leans: Mapping[int, Tensor],
    ) -> None:
        """Fit the weights, and shift the nets' biases to go with them.

        Args:
            x: ``(R, S)``; goals: ``(N', R)`` answers of all nodes, and counts: where they are known; bias: per bucket,
                ``(n, 1, size)``, changed in place; weight: ``(R,)`` of the rows; own: ``(S, N)``, inputs that
                tell of a node's own column, which are penalised less (after Litterman's "Minnesota" prior of vector
                autoregressions, J. Business and Economic Statistics 4, 1986); leans: what else is added to the
                logits of some nodes, ``(R, codes)``.
        """
        if len(x) < 2:
            return
        w = torch.ones(len(x), device=x.device) if weight is None else weight
        # The largest eigenvalue, by powers.
        v = torch.ones(x.shape[1], device=x.device)
        for _ in range(20):
            v = x.T @ (x @ v)
            v = v / v.norm().clamp(min=1e-12)
        largest = float((x @ v).square().sum() / len(x)) + 1.0
        for k, bucket in enumerate(self.buckets):
            lean = self._lean(k, bias[k], len(x), leans)
            goal = goals[list(bucket)].clamp(max=bias[k].shape[2] - 1)
            seen = counts[list(bucket)].float() * w
            lighter = torch.where(own[:, list(bucket)].T, _OWN, 1.0)
            self._fit_bucket(
                k, x, goal, lighter, seen / seen.sum(1, keepdim=True).clamp(min=1e-9), bias[k], 2 * largest, lean
            )

    def _lean(self, k: int, like: Tensor, rows: int, leans: Mapping[int, Tensor]) -> Tensor | None:
        """``(n, R, size)`` what else is added to the logits of bucket k; None: nothing."""
        inside = [(r, i) for r, i in enumerate(self.buckets[k]) if i in leans]
        if not inside:
            return None
        out = torch.zeros(len(self.buckets[k]), rows, like.shape[2], device=like.device)
        for r, i in inside:
            out[r, :, : leans[i].shape[1]] = leans[i]
        return out

    def _fit_bucket(
        self,
        k: int,
        x: Tensor,
        goal: Tensor,
        lighter: Tensor,
        seen: Tensor,
        bias: Tensor,
        steep: float,
        lean: Tensor | None,
    ) -> None:
        basis, columns = self.get_buffer(f"basis{k}"), self.get_buffer(f"columns{k}")
        n, most, s = len(basis), basis.shape[1], x.shape[1]
        at = torch.zeros(n, s, most, device=x.device)
        ahead, speed = at.clone(), 1.0
        rows = (seen > 0).sum(1).clamp(min=1).float()
        penalty = _PENALTY * (2 * math.log(max(s * most, 2)) / rows).sqrt()[:, None, None] * lighter[..., None]
        target = torch.gather(basis.transpose(1, 2), 1, goal[..., None].expand(-1, -1, most))  # (n, R, most)
        for _ in range(_ROUNDS):
            logits = torch.baddbmm(bias, torch.matmul(x, ahead), basis)
            p = (logits if lean is None else logits + lean).softmax(2)
            wrong = (torch.bmm(p, basis.transpose(1, 2)) - target) * seen[..., None]
            moved = ahead - torch.matmul(x.T, wrong) / steep
            new = moved.sign() * (moved.abs() - penalty / steep).clamp(min=0)
            turned = ((ahead - new) * (new - at)).flatten(1).sum(1) > 0  # restart where it overshoots
            faster = (1 + math.sqrt(1 + 4 * speed**2)) / 2
            pace = torch.where(turned, 0.0, (speed - 1) / faster)[:, None, None]
            ahead, at, speed = new + pace * (new - at), new, faster
            tilt = (p * seen[..., None]).sum(1)
            have = tilt / tilt.sum(1, keepdim=True).clamp(min=1e-12)
            want = torch.zeros_like(have).scatter_add_(1, goal, seen)
            change = ((want + 1e-4) / (have + 1e-4)).log().clamp(-0.5, 0.5) * 0.5
            bias[:, 0] += torch.where(bias[:, 0] > -29, change, 0.0)
        for r in range(n):
            real = columns[r] < self.weight.shape[1]
            self.weight[:, columns[r][real]] = at[r][:, real]
