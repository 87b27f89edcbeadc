"""Sequential trees: each column from a small forest over the columns before it, for tables of few rows.

Synthesis by CART draws, from the leaf that a row falls in, the value of a training row (Reiter, "Using CART to
generate partially synthetic public use microdata", JOS 21, 2005). Here no value of a row is handed on: a leaf of ten
rows or more holds a law over the codec's cells, smoothed along ordered ones and drawn towards the whole table's; and
the laws of bagged trees are averaged (Breiman, "Random forests", 2001), which steadies what few rows say.

The trees know each column given the earlier ones only. Whatever else is known is met by weighing candidates
(:mod:`synthkit.models.resampling`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from torch import Tensor

from synthkit.layout import Allowed, Encoded, Layout
from synthkit.models.base import Model, ModelSpec, ModelTags, check_allowed, draw_codes
from synthkit.models.independent import fill_offsets
from synthkit.models.nets import Codes, Node, nodes_of
from synthkit.models.resampling import alike, draw_jointly
from synthkit.params import Interval, param

__all__ = ["SequentialTrees", "SequentialTreesModel"]

_ONE_HOT = 16  # tokens: of more, the most frequent have an input of their own
_SPIKE = 0.02  # mass of a code that is not blurred into its neighbours
_WIDTHS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16)  # of the kernels that smooth a leaf, in mass


@dataclass(eq=False, repr=False, kw_only=True)
class SequentialTrees(ModelSpec):
    """Recipe of the sequential trees."""

    name: ClassVar[str] = "trees"

    trees: int = param(30, Interval(int, 1, 1000), "trees of each column, averaged")
    leaf: int = param(10, Interval(int, 1, 10_000), "rows in a leaf at least")
    max_leaves: int = param(128, Interval(int, 2, 4096), "leaves of a tree at most")
    inputs: float = param(0.8, Interval(float, 0, 1, closed="right"), "share of the inputs tried at each split")
    prior: float = param(0.5, Interval(float, 0, 1e6), "rows of the whole table's law that are added to a leaf")
    blur: float = param(1.0, Interval(float, 0, 10), "bandwidth inside a leaf, times the normal reference rule's")
    particles: int = param(32, Interval(int, 1, 4096), "candidates for a row whose known cells are its own")

    def build(self, layout: Layout, data: Encoded, weight: Tensor | None = None) -> SequentialTreesModel:
        model = SequentialTreesModel(self, layout)
        model.grow(data, weight)
        return model

    def restore(self, layout: Layout) -> SequentialTreesModel:
        return SequentialTreesModel(self, layout)


class SequentialTreesModel(Model):
    """Forests as tensors. Shapes: B rows, N nodes, T trees, M tree nodes, L leaves.

    Attributes (buffers, for node i):
        marginal: ``(tokens,)`` its law in the whole table; split: ``(T, M)`` the input that a tree node tests (-1: a
        leaf); cut: ``(T, M)``, its threshold; child: ``(T, M, 2)``, where to go; a leaf keeps its law's number there;
        law: ``(T, L, tokens)``.
    """

    tags: ClassVar[ModelTags] = ModelTags(trains=False)

    def __init__(self, spec: SequentialTrees, layout: Layout) -> None:
        super().__init__()
        self.spec, self.layout = spec, layout
        self.nodes = nodes_of(layout)
        self.codes = Codes(self.nodes, layout)
        for i, node in enumerate(self.nodes):
            self.register_buffer(f"marginal{i}", torch.full((node.tokens,), 1 / node.tokens))
            self.register_buffer(f"split{i}", torch.full((1, 1), -1, dtype=torch.int32))
            self.register_buffer(f"cut{i}", torch.zeros(1, 1))
            self.register_buffer(f"child{i}", torch.zeros(1, 1, 2, dtype=torch.int32))
            self.register_buffer(f"law{i}", torch.full((1, 1, node.tokens), 1 / node.tokens))
        self.register_load_state_dict_pre_hook(_take_shapes)  # type: ignore[no-untyped-call]

    # ---------------------------------------------------------------- growing
    @torch.no_grad()
    def grow(self, data: Encoded, weight: Tensor | None) -> None:
        """Fit the forests, node by node."""
        tokens, known = self.codes.read(data)
        w = np.ones(len(data)) if weight is None else weight.double().cpu().numpy()
        token, there = tokens.cpu().numpy(), known.cpu().numpy()
        for i, node in enumerate(self.nodes):
            count = np.bincount(token[there[:, i], i], weights=w[there[:, i]], minlength=node.tokens)
            law = (count + 1e-3) / (count.sum() + 1e-3 * node.tokens)
            self.get_buffer(f"marginal{i}").copy_(torch.from_numpy(law))
            self.get_buffer(f"law{i}").copy_(torch.from_numpy(law))
        x = self._inputs(tokens, known).double().cpu().numpy()
        stop = np.cumsum([0] + [table.shape[1] for table in self._tables()])
        seed = int(torch.randint(2**31 - 1, ()))
        for i in range(1, len(self.nodes)):
            rows = np.flatnonzero(there[:, i] & (w > 0))
            if len(rows) >= 2 * self.spec.leaf and len(np.unique(token[rows, i])) > 1:
                self._grow_node(i, x[rows][:, : stop[i]], token[rows, i], w[rows], seed + i)

    def _grow_node(self, i: int, x: NDArray[Any], token: NDArray[Any], w: NDArray[Any], seed: int) -> None:
        spec = self.spec
        goals = self._goals(i)[token]
        forest = RandomForestRegressor(
            n_estimators=spec.trees,
            min_samples_leaf=spec.leaf,
            max_leaf_nodes=spec.max_leaves,
            max_features=spec.inputs,
            random_state=seed % (2**31 - 1),
        ).fit(x, goals if goals.shape[1] > 1 else goals[:, 0], sample_weight=w)
        trees = [tree.tree_ for tree in forest.estimators_]
        shape = len(trees), max(tree.node_count for tree in trees)
        split, cut = np.full(shape, -1, np.int32), np.zeros(shape, np.float32)
        child = np.zeros((*shape, 2), np.int32)
        leaves = max(tree.n_leaves for tree in trees)
        law = np.tile(self.get_buffer(f"marginal{i}").cpu().numpy(), (shape[0], leaves, 1))
        ends = forest.apply(x)
        for t, tree in enumerate(trees):
            n, leaf = tree.node_count, tree.children_left < 0
            split[t, :n] = np.where(leaf, -1, tree.feature)
            cut[t, :n] = tree.threshold
            number = np.cumsum(leaf) - 1
            child[t, :n, 0] = np.where(leaf, number, tree.children_left)
            child[t, :n, 1] = np.where(leaf, number, tree.children_right)
            counts = np.zeros((int(leaf.sum()), law.shape[2]))
            np.add.at(counts, (number[ends[:, t]], token), w / w.mean())
            law[t, : len(counts)] = self._smooth(i, counts)
        for name, value in (("split", split), ("cut", cut), ("child", child), ("law", law.astype(np.float32))):
            self.register_buffer(f"{name}{i}", torch.from_numpy(value))

    def _smooth(self, i: int, counts: NDArray[Any]) -> NDArray[Any]:
        """Laws ``(L, tokens)`` of leaves with so many rows of each token."""
        node, marginal = self.nodes[i], self.get_buffer(f"marginal{i}").double().cpu().numpy()
        rows = counts.sum(1, keepdims=True)
        if node.ordered and self.spec.blur > 0:
            counts = self._blurred(node, marginal, counts)
        return np.asarray((counts + self.spec.prior * marginal) / (rows + self.spec.prior))

    def _blurred(self, node: Node, marginal: NDArray[Any], counts: NDArray[Any]) -> NDArray[Any]:
        """Counts spread along the ordered codes, spikes apart, each leaf by its own bandwidth."""
        place = np.cumsum(marginal) - marginal / 2
        loose = (marginal < _SPIKE) & (np.arange(len(marginal)) < node.size)
        if loose.sum() < 2:
            return counts
        part, at = counts[:, loose], place[loose]
        rows = np.maximum(part.sum(1), 1e-9)
        mean = part @ at / rows
        spread = np.sqrt(np.maximum(part @ at**2 / rows - mean**2, 0))
        width = self.spec.blur * 1.06 * spread * np.maximum(rows, 1) ** -0.2
        step = np.abs(np.log(np.maximum(width, 1e-6))[:, None] - np.log(_WIDTHS)).argmin(1)
        out = counts.copy()
        for k, h in enumerate(_WIDTHS):
            kernel = np.exp(-0.5 * ((at[:, None] - at) / h) ** 2) * marginal[loose]
            kernel /= kernel.sum(1, keepdims=True)
            chosen = step == k
            out[np.ix_(chosen, loose)] = part[chosen] @ kernel
        return out

    # ---------------------------------------------------------------- tokens and inputs
    def _tables(self) -> list[Tensor]:
        """Per node, what its tokens say to later nodes, ``(tokens, inputs)``."""
        tables = []
        for i, node in enumerate(self.nodes):
            law = self.get_buffer(f"marginal{i}")
            if node.ordered:
                place = law.cumsum(0) - law / 2
                place[node.size :] = -1.0
                tables.append(place[:, None])
            elif node.tokens <= _ONE_HOT:
                tables.append(torch.eye(node.tokens, device=law.device))
            else:
                rank = law.argsort(descending=True, stable=True).argsort()
                own = torch.eye(node.tokens, device=law.device)[rank][:, : _ONE_HOT - 1]
                tables.append(torch.cat([own, rank[:, None] / node.tokens], 1))
        return tables

    def _inputs(self, tokens: Tensor, known: Tensor) -> Tensor:
        """``(B, P)`` inputs of all nodes; an unknown node is all zeros."""
        parts = [table[tokens[:, i]] * known[:, i, None] for i, table in enumerate(self._tables())]
        return torch.cat(parts, 1) if parts else torch.zeros(len(tokens), 0, device=tokens.device)

    def _goals(self, i: int) -> NDArray[Any]:
        """``(tokens, goals)``: what a split of node i's trees should tell apart."""
        node, law = self.nodes[i], self.get_buffer(f"marginal{i}").double()
        own = torch.eye(node.tokens, dtype=torch.float64, device=law.device)
        frequent = law.argsort(descending=True, stable=True)
        if not node.ordered:
            return np.asarray(own[:, frequent[:32]].cpu().numpy())
        spikes = [int(k) for k in frequent[:8] if law[k] >= 2 * _SPIKE or k >= node.size]
        score = torch.special.ndtri((law.cumsum(0) - law / 2).clamp(1e-4, 1 - 1e-4))
        score[node.size :] = 0.0
        return np.asarray(torch.cat([score[:, None], own[:, spikes]], 1).cpu().numpy())

    # ---------------------------------------------------------------- laws
    def _law(self, i: int, x: Tensor) -> Tensor:
        """``(B, tokens)`` law of node i, the mean over its trees."""
        split, cut, child, law = (self.get_buffer(f"{name}{i}") for name in ("split", "cut", "child", "law"))
        out = torch.zeros(len(x), law.shape[2], device=x.device)
        row = torch.arange(len(x), device=x.device)
        for t in range(len(split)):
            at = torch.zeros(len(x), dtype=torch.long, device=x.device)
            while True:
                feature = split[t, at].long()
                inner = feature >= 0
                if not bool(inner.any()):
                    break
                right = (x[row, feature.clamp(min=0)] > cut[t, at]).long()
                at = torch.where(inner, child[t, at, right].long(), at)
            out += law[t, child[t, at, 0].long()]
        return out / len(split)

    def forward(self, partial: Encoded, target: Encoded, phase: str = "all") -> Tensor:
        tokens, known = self.codes.read(target)
        done = self.codes.read(partial)[1]
        present = self.codes.present(partial, done)
        x = self._inputs(tokens, known)
        stop = np.cumsum([0] + [table.shape[1] for table in self._tables()])
        out = torch.zeros(len(target), device=tokens.device)
        for i, node in enumerate(self.nodes):
            counts = known[:, i] & ~done[:, i]
            if not bool(counts.any()):
                continue
            law = self._law(i, x[:, : stop[i]])
            mass = torch.where(present[:, i], law[:, : node.size].sum(1), 1.0)
            chosen = law.gather(1, tokens[:, i : i + 1]).squeeze(1)
            out = out - torch.where(counts, (chosen / mass).clamp(min=1e-30).log(), 0.0)
        return out

    # ---------------------------------------------------------------- drawing
    @torch.no_grad()
    def complete(self, partial: Encoded, allowed: Mapping[int, Allowed] | None = None) -> Encoded:
        rules = check_allowed(allowed, self.layout)
        self.joint = []
        if not len(partial) or not self._looks_ahead(partial, rules):
            return self._draw(partial, rules)[0]
        if alike(partial):
            drawn, joint = draw_jointly(lambda rows: self._draw(rows, rules), partial)
            self.joint = [joint]
            return drawn
        many = self.spec.particles
        rows = torch.arange(len(partial), device=partial.cat.device).repeat_interleave(many)
        drawn, log_weight = self._draw(partial.take(rows), rules)
        picked = draw_codes(log_weight.view(-1, many).float())
        return drawn.take(torch.arange(len(partial), device=picked.device) * many + picked)

    def _looks_ahead(self, partial: Encoded, rules: Mapping[int, Allowed]) -> bool:
        """Whether something is known or asked of a node that comes after one still to be drawn."""
        known = self.codes.read(partial)[1]
        present = self.codes.present(partial, known)
        ruled = torch.tensor([node.field in rules for node in self.nodes], dtype=torch.bool, device=known.device)
        asked = known | present | ruled
        open_before = (~known).cumsum(1) - (~known).long() > 0
        return bool((asked & open_before).any())

    def _draw(self, partial: Encoded, rules: Mapping[int, Allowed]) -> tuple[Encoded, Tensor]:
        """The rows completed in the table's order, and the log of how likely what was known and asked is."""
        layout, slot = self.layout, self.layout.slot
        num, cat = partial.num.clone(), partial.cat.clone()
        num_known, cat_known = partial.num_known.clone(), partial.cat_known.clone()
        draft = Encoded(num, cat, num_known, cat_known)
        tokens, known = self.codes.read(partial)
        present = self.codes.present(partial, known)
        tables = self._tables()
        x = torch.zeros(len(partial), sum(table.shape[1] for table in tables), device=cat.device)
        log_weight = torch.zeros(len(partial), dtype=torch.float64, device=cat.device)
        start = 0
        for i, node in enumerate(self.nodes):
            logits = self._law(i, x[:, :start]).clamp(min=1e-30).log()
            _, open_ = layout.applies(draft)
            applies = open_[:, slot[node.field]] if node.null is None else torch.ones_like(known[:, i])
            todo = applies & ~known[:, i]
            given = logits.gather(1, tokens[:, i : i + 1]).squeeze(1)
            log_weight += torch.where(known[:, i], given, 0.0)
            self._narrow(logits, node, present[:, i], rules.get(node.field))
            log_weight += torch.where(todo, logits.logsumexp(1), 0.0)
            drawn = draw_codes(logits)
            tokens[:, i] = torch.where(todo, drawn, tokens[:, i])
            rows = todo.nonzero().squeeze(1)
            self.codes.write(i, rows, drawn[rows], cat, cat_known)
            known[:, i] |= todo
            x[:, start : start + tables[i].shape[1]] = tables[i][tokens[:, i]] * known[:, i, None]
            start += tables[i].shape[1]
        fill_offsets(layout, draft, rules)
        return draft, log_weight

    @staticmethod
    def _narrow(logits: Tensor, node: Node, present: Tensor, rule: Allowed | None) -> None:
        """Forbid, in place, what is not allowed; a row in which nothing is left is drawn freely, and of no weight."""
        if node.null is not None:
            ban = torch.ones_like(present) if rule is not None else present
            logits[:, node.size] = logits[:, node.size].masked_fill(ban, -torch.inf)
        if rule is not None:
            logits[:, : node.size] += rule.weights.to(logits).log()


def _take_shapes(model: SequentialTreesModel, state: Mapping[str, Any], prefix: str, *_: Any) -> None:
    """Forests have the shapes of the data: make room for those of ``state``, once they are seen to be sound.

    Raises:
        ValueError: a tensor points outside another.
    """
    width = 0
    for i, table in enumerate(model._tables()):
        split, cut, child, law = (state.get(f"{prefix}{name}{i}") for name in ("split", "cut", "child", "law"))
        if split is None or cut is None or child is None or law is None:
            return  # load_state_dict says what is missing
        trees, size = split.shape
        leaf = split < 0
        sound = law.shape[::2] == (trees, model.nodes[i].tokens) and cut.shape == (trees, size)
        sound = sound and child.shape == (trees, size, 2) and bool((split < max(width, 1)).all())
        # Children come after their parents, so that no walk can run in a circle.
        later = child > torch.arange(size, device=child.device)[None, :, None]
        inside = (child < size) & later
        number = (child >= 0) & (child < law.shape[1])
        if not sound or not bool(torch.where(leaf[..., None], number, inside).all()):
            raise ValueError("the forests do not fit together")
        for name, value in (("split", split), ("cut", cut), ("child", child), ("law", law)):
            model.register_buffer(f"{name}{i}", torch.empty_like(value))
        width += table.shape[1]
