"""How good a model's draws are, while it is still being trained.

The losses of an adversarial training say nothing of quality, and those of a variational one little. So such models are
judged by what they draw: can a classifier tell drawn rows from real ones (the two-sample test of Lopez-Paz and Oquab,
"Revisiting Classifier Two-Sample Tests", ICLR 2017), and how far are the pairs of columns off?
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthkit.layout import Encoded, Layout
from synthkit.models.base import Model
from synthkit.models.nets import Codes, nodes_of
from synthkit.runtime import entropy, seeded

__all__ = ["Criterion"]

_ROWS = 4000  # drawn, and at most as many real ones
_HELD_ENOUGH = 1500  # held-out rows; with fewer, training rows are judged against, too
_BINS = 10  # of a column, in pairs
_NODES = 100  # columns that a wide table is judged by
_FOLDS = 3
_KEPT = 1000  # drawn rows that are handed on to whoever watches


class Criterion:
    """Detection AUC plus mean error of pairs, of rows that a model draws; lower is better.

    Fresh rows score a little above 0.5, by the noise of the pairs.

    Every call draws with the same random numbers, so that two states of a model are compared by what they learnt.

    Args:
        layout: of the rows.
        train, held: real rows that the model learns from, and that it does not.
        seed: of draws, folds and the choice of columns.
        weights: ``(rows,)`` each, of both; rows are then drawn by weight.
    """

    def __init__(
        self,
        layout: Layout,
        train: Encoded,
        held: Encoded,
        seed: int,
        weights: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        self.seed = seed
        rng = np.random.default_rng(entropy(seed, 0))
        self.nodes = nodes_of(layout)
        self.codes = Codes(self.nodes, layout)
        self.slots = [None if node.offset is None else layout.slot[node.offset] for node in self.nodes]
        some = rng.permutation(len(self.nodes))[:_NODES]
        self.some = np.sort(some).tolist()
        real, w = held, None if weights is None else weights[1]
        if len(held) < _HELD_ENOUGH:
            real, w = Encoded.concat([held, train]), None if weights is None else torch.cat([weights[1], weights[0]])
        self.real = self._features(_some(real, _ROWS, rng, w))
        tokens = self._tokens(_some(train, 5 * _ROWS, rng, None if weights is None else weights[0]))
        self.bins = [self._bins(tokens[:, k], self.nodes[i].tokens) for k, i in enumerate(self.some)]
        self.pairs = self._pairs(tokens)

    def __call__(self, model: Model) -> tuple[float, Encoded]:
        """The score of a model in eval mode, and up to 1,000 of the drawn rows."""
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        with seeded(entropy(self.seed, 1), device), torch.no_grad():
            drawn = model.complete(model.layout.empty(_ROWS, device)).to("cpu")
        pairs = self._pairs(self._tokens(drawn))
        score = self._detection(self._features(drawn)) + self._off(pairs)
        return score, drawn.take(slice(0, _KEPT))

    # ---------------------------------------------------------------- detection
    def _features(self, rows: Encoded) -> NDArray[np.float64]:
        """``(rows, nodes)``: a code, plus the place in its cell; NaN where there is no value."""
        tokens, known = self.codes.read(rows)
        columns = []
        for i in self.some:
            node, slot = self.nodes[i], self.slots[i]
            value = tokens[:, i].double()
            if slot is not None:
                value = value + torch.where(rows.num_known[:, slot], rows.num[:, slot].double(), 0.5)
            there = known[:, i] & (tokens[:, i] < node.size)
            columns.append(torch.where(there, value, torch.nan))
        stacked = torch.stack(columns, 1) if columns else torch.zeros(len(rows), 0, dtype=torch.float64)
        return np.asarray(stacked.cpu().numpy())

    def _detection(self, drawn: NDArray[np.float64]) -> float:
        """AUC, at least 0.5, of boosted trees that were fitted on the other folds."""
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.metrics import roc_auc_score
        from sklearn.model_selection import StratifiedKFold

        x = np.concatenate([self.real, drawn])
        y = np.repeat([0, 1], [len(self.real), len(drawn)])
        if min(len(self.real), len(drawn)) < 2 * _FOLDS or not x.shape[1]:
            return 0.5
        answer = np.zeros(len(x))
        folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=entropy(self.seed, 2) % 2**32)
        for fit, test in folds.split(x, y):
            trees = HistGradientBoostingClassifier(
                max_iter=50, learning_rate=0.2, max_leaf_nodes=16, early_stopping=False, random_state=0
            )
            answer[test] = trees.fit(x[fit], y[fit]).predict_proba(x[test])[:, 1]
        return max(float(roc_auc_score(y, answer)), 0.5)

    # ---------------------------------------------------------------- pairs
    def _tokens(self, rows: Encoded) -> Tensor:
        return self.codes.read(rows)[0][:, self.some].cpu()

    @staticmethod
    def _bins(tokens: Tensor, size: int) -> Tensor:
        """``(size,)`` which of at most ten bins of like mass a token is in."""
        if size <= _BINS:
            return torch.arange(size)
        law = torch.bincount(tokens, minlength=size).double()
        middle = (law.cumsum(0) - law / 2) / law.sum().clamp(min=1)
        return (middle * _BINS).long().clamp(max=_BINS - 1)

    def _pairs(self, tokens: Tensor) -> Tensor:
        """``(nodes, bins, nodes, bins)`` shares of the rows."""
        if not self.bins:
            return torch.zeros(0, _BINS, 0, _BINS)
        binned = torch.stack([of[tokens[:, k]] for k, of in enumerate(self.bins)], 1)
        hot = torch.nn.functional.one_hot(binned, _BINS).flatten(1).float()
        share = hot.T @ hot / max(len(tokens), 1)
        return share.view(len(self.bins), _BINS, len(self.bins), _BINS)

    def _off(self, drawn: Tensor) -> float:
        """Mean total variation distance over pairs of nodes (over nodes, where there is one only)."""
        distance = (drawn - self.pairs).abs().sum((1, 3)) / 2
        n = len(distance)
        return float((distance.sum() - distance.diagonal().sum()) / (n * (n - 1)) if n > 1 else distance.sum())


def _some(rows: Encoded, count: int, rng: np.random.Generator, weight: Tensor | None = None) -> Encoded:
    """At most ``count`` of the rows, on the CPU; by weight, if there is one, with replacement."""
    if weight is not None:
        p = weight.double().cpu().numpy()
        picked = torch.from_numpy(rng.choice(len(rows), min(count, len(rows)), p=p / p.sum()))
        return rows.take(picked.to(rows.cat.device)).to("cpu")
    if len(rows) <= count:
        return rows.to("cpu")
    chosen = torch.from_numpy(rng.permutation(len(rows))[:count])
    return rows.take(chosen.to(rows.cat.device)).to("cpu")
