"""The literature's scores of synthetic windows of a series, by their own protocol, and what is wrong with them.

    python -m benchmarks.series_scores --data DATA --datasets google_stock --models autoregressive stationary copula24

- *Discriminative score* (TimeGAN; Yoon, Jarrett and van der Schaar, NeurIPS 2019): a GRU of ``floor(D / 2)`` units
  reads a window, its last state gives a logit; 2,000 steps of Adam (lr .001) on 128 real and 128 synthetic windows; of
  both, a random 80 % teach. ``|accuracy - 1/2|`` on the rest, at the threshold 1/2. (The paper speaks of a 2-layer
  LSTM; the authors' code, which published tables use, has this one layer.)
- *Predictive score* (the same): a GRU of ``floor(D / 2)`` units with a sigmoid head reads all features but the last,
  and predicts the last one's next value; 5,000 steps of Adam on 128 *synthetic* windows, absolute error. The mean
  absolute error on *all* real windows.
- *Correlational score* (as in Diffusion-TS; Yuan and Qiao, ICLR 2024; after Liao et al., arXiv:2006.05421): each side
  standardised over windows and steps by itself; the sum over pairs of features (and each with itself) of the absolute
  difference of mean products, over 10. It grows with the square of D.

Windows of 24 steps at stride 1, each feature scaled to [0, 1] by the least and greatest value of the *whole* series.
Here gates are sigmoids, kernels begin by Glorot's uniform law, biases at 0. Context-FID is not computed: it hangs on an
encoder that has to be trained, on its seed and on the number of windows.

What is wrong with them:

- Windows overlap by 23 of 24 steps and are split at random: test windows are training windows but for a step. Scores
  are against the training series: one that repeats it scores best. ``stationary`` (a bootstrap) stands beside for that.
- The classifier is weak: a Gaussian copula on flattened windows, with no notion of time, gets .027 / .0374 on
  google_stock, as good as real windows (.038 / .0373), while boosting on the same windows tells it at AUC .854.
- Real windows in the synthetic ones' place (a random half against the other half) do not get 0. That floor is printed;
  a difference below its spread says nothing. Published spreads are over retrainings of the *metric* on one set.
- An accuracy at one threshold hides a bias: all called real is a score of 0, too. ``real_acc``, ``fake_acc`` show it.
- The predictive score is saturated: it takes the last feature alone, and D of 2 at least.
- Levels of a price decide: how high the series happened to stand is part of the windows' law, so a new path at new
  prices scores badly however well it moves. ``drawn`` windows begin where training was, ``cut`` ones are of long paths.

``--final`` takes the whole series, as published figures do; without it, the first 80 % of time.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch.nn.functional import softplus

from benchmarks.series import _BOOTSTRAPS, copula_windows
from benchmarks.series_data import WINDOW, whole
from synthkit import SequenceSynthesizer
from synthkit.errors import SynthkitError
from synthkit.series import SeriesBootstrap

__all__ = ["correlational", "discriminative", "main", "predictive", "windows_of"]

Floats = NDArray[np.float32]
_NAMES = ("google_stock", "appliances_energy")
_BATCH, _LR, _TAUGHT = 128, 1e-3, 0.8
_PAST = 0.8
_BLOCK = 1000  # windows drawn at once
_PATHS = 4  # long paths that windows are cut from


# -------------------------------------------------------------------- nets, several at once
class Readers(torch.nn.Module):
    """R independent GRUs of H units with a linear head each, trained side by side. Input: ``(R, B, T, D)``."""

    def __init__(self, count: int, d: int, hidden: int, seed: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)

        def glorot(rows: int, columns: int) -> torch.nn.Parameter:
            limit = (6 / (rows + columns)) ** 0.5
            return torch.nn.Parameter((2 * torch.rand(count, rows, columns, generator=draw) - 1) * limit)

        self.gates_in, self.gates_back = glorot(d, 2 * hidden), glorot(hidden, 2 * hidden)
        self.new_in, self.new_back = glorot(d, hidden), glorot(hidden, hidden)
        self.gates_bias = torch.nn.Parameter(torch.zeros(count, 1, 2 * hidden))
        self.new_bias = torch.nn.Parameter(torch.zeros(count, 1, hidden))
        self.head, self.head_bias = glorot(hidden, 1), torch.nn.Parameter(torch.zeros(count, 1, 1))

    def states(self, x: torch.Tensor) -> list[torch.Tensor]:
        """The state ``(R, B, H)`` after each step."""
        count, batch, steps, d = x.shape
        flat = x.transpose(1, 2).reshape(count, steps * batch, d)
        gates = (flat @ self.gates_in + self.gates_bias).view(count, steps, batch, -1).unbind(1)
        new = (flat @ self.new_in + self.new_bias).view(count, steps, batch, -1).unbind(1)
        state = x.new_zeros(count, batch, self.new_back.shape[1])
        out = []
        for g, n in zip(gates, new, strict=True):
            keep, reset = torch.sigmoid(torch.baddbmm(g, state, self.gates_back)).chunk(2, dim=2)
            fresh = torch.tanh(torch.baddbmm(n, reset * state, self.new_back))
            state = fresh + keep * (state - fresh)
            out.append(state)
        return out

    def last(self, x: torch.Tensor) -> torch.Tensor:
        """``(R, B)`` logits of whole windows."""
        return torch.baddbmm(self.head_bias, self.states(x)[-1], self.head)[..., 0]

    def every(self, x: torch.Tensor) -> torch.Tensor:
        """``(R, B, T)`` numbers in (0, 1), one after each step."""
        states = torch.stack(self.states(x), 2)
        flat = states.reshape(len(states), -1, states.shape[3])
        return torch.sigmoid(torch.baddbmm(self.head_bias, flat, self.head)).view(states.shape[:3])


def _batch(sets: Sequence[Floats], rows: Sequence[NDArray[Any]], rng: np.random.Generator) -> torch.Tensor:
    """``(R, 128, T, D)`` windows, drawn without replacement within a step."""
    size = min(_BATCH, *map(len, rows))
    picked = [x[r[rng.choice(len(r), size, replace=False)]] for x, r in zip(sets, rows, strict=True)]
    return torch.from_numpy(np.stack(picked))


def discriminative(
    real: Sequence[Floats], fake: Sequence[Floats], seed: int, *, steps: int = 2000
) -> list[tuple[float, float, float]]:
    """Score, share of real and of synthetic test windows that are called right; for each pair of sets.

    Args:
        real, fake: R sets ``(N, T, D)`` each, of the same T and D.
    """
    rng = np.random.default_rng(seed)
    d = real[0].shape[2]
    nets = Readers(len(real), d, max(d // 2, 1), seed)
    solver = torch.optim.Adam(nets.parameters(), lr=_LR)
    sides = []
    for sets in (real, fake):
        orders = [rng.permutation(len(x)) for x in sets]
        cuts = [int(_TAUGHT * len(o)) for o in orders]
        taught = [o[:c] for o, c in zip(orders, cuts, strict=True)]
        sides.append((sets, taught, [o[c:] for o, c in zip(orders, cuts, strict=True)]))
    for _ in range(steps):
        real_told, fake_told = (nets.last(_batch(sets, taught, rng)) for sets, taught, _ in sides)
        # sums over nets: each has a loss, and parameters, of its own
        loss = softplus(-real_told).mean(1).sum() + softplus(fake_told).mean(1).sum()
        solver.zero_grad()
        loss.backward()
        solver.step()
    out = []
    with torch.no_grad():
        for r in range(len(real)):
            right = []
            for (sets, _, asked), sign in zip(sides, (1, -1), strict=True):
                x = torch.from_numpy(sets[r][asked[r]])[None].expand(len(real), -1, -1, -1)
                right.append((sign * nets.last(x)[r] > 0).double().numpy())
            accuracy = float(np.concatenate(right).mean())
            out.append((abs(accuracy - 0.5), float(right[0].mean()), float(right[1].mean())))
    return out


def predictive(real: Sequence[Floats], fake: Sequence[Floats], seed: int, *, steps: int = 5000) -> list[float]:
    """Mean absolute error on all real windows of nets that learnt from the synthetic ones; for each pair of sets."""
    rng = np.random.default_rng(seed)
    d = real[0].shape[2]
    nets = Readers(len(real), d - 1, max(d // 2, 1), seed)
    solver = torch.optim.Adam(nets.parameters(), lr=_LR)
    rows = [np.arange(len(x)) for x in fake]
    for _ in range(steps):
        x = _batch(fake, rows, rng)
        loss = (nets.every(x[:, :, :-1, :-1]) - x[:, :, 1:, -1]).abs().mean((1, 2)).sum()
        solver.zero_grad()
        loss.backward()
        solver.step()
    out = []
    with torch.no_grad():
        for r, sets in enumerate(real):
            errors = []
            for begin in range(0, len(sets), 4096):
                x = torch.from_numpy(sets[begin : begin + 4096])
                told = nets.every(x[None, :, :-1, :-1].expand(len(real), -1, -1, -1))[r]
                errors.append((told - x[:, 1:, -1]).abs().mean(1).numpy())
            out.append(float(np.concatenate(errors).mean()))
    return out


def correlational(real: Floats, fake: Floats) -> float:
    """Sum over pairs ``i >= j`` of features of the absolute difference of correlations at one step, over 10."""
    corr = [np.corrcoef(x.reshape(-1, x.shape[2]).astype(np.float64), rowvar=False) for x in (real, fake)]
    low = np.tril_indices(len(corr[0]))
    return float(np.abs(np.nan_to_num(corr[0]) - np.nan_to_num(corr[1]))[low].sum() / 10)


# -------------------------------------------------------------------- windows
def windows_of(values: NDArray[Any], size: int = WINDOW) -> Floats:
    """``(T - size + 1, size, D)`` windows at stride 1."""
    return np.ascontiguousarray(
        np.lib.stride_tricks.sliding_window_view(values, size, axis=0).transpose(0, 2, 1), np.float32
    )


def drawn_windows(model: str, table: pd.DataFrame, time: str, count: int, seed: int, how: str) -> NDArray[Any]:
    """``(count, 24, D)`` synthetic windows in the units of the table."""
    columns = [c for c in table.columns if c != time]
    if model == "copula24":
        return copula_windows(windows_of(table[columns].to_numpy(float)).astype(np.float64), count, seed)
    recipe: Any = SeriesBootstrap(kind=model) if model in _BOOTSTRAPS else model
    synthesizer = SequenceSynthesizer(recipe, time=time, kind="series", random_state=seed).fit(table)
    if how == "cut":
        paths = synthesizer.sample(length=len(table), n=_PATHS, seed=seed)[columns].to_numpy(float)
        cut = np.concatenate([windows_of(p) for p in paths.reshape(_PATHS, len(table), -1)])
        return cut[np.random.default_rng(seed).choice(len(cut), count, replace=False)]
    parts = []
    for k, begin in enumerate(range(0, count, _BLOCK)):
        n = min(_BLOCK, count - begin)
        made = synthesizer.sample(length=WINDOW, n=n, seed=seed * 1000 + k)[columns].to_numpy(float)
        parts.append(made.reshape(n, WINDOW, -1))
    return np.concatenate(parts)


# -------------------------------------------------------------------- runs
def run_one(
    name: str, data: str, models: Sequence[str], ways: Sequence[str], seed: int, told: argparse.Namespace
) -> list[dict[str, Any]]:
    """Lines of all models on one series, the floor first."""
    table, time, _ = whole(name, data)
    table = table if told.final else table.head(int(_PAST * len(table)))
    values = table.drop(columns=time).to_numpy(float)
    low, width = values.min(0), np.maximum(np.ptp(values, axis=0), 1e-7)
    real = windows_of((values - low) / width)
    order = np.random.default_rng(seed).permutation(len(real))
    pairs = {("real", ""): (real[order[::2]], real[order[1::2]])}
    for model in models:
        for way in ways if model != "copula24" else ("",):
            try:
                made = drawn_windows(model, table, time, len(real), seed, way)
            except SynthkitError as error:
                print(f"{name}, {model}: {error}")
                continue
            pairs[model, way] = (real, ((made - low) / width).astype(np.float32))
    every = [pair for pair in pairs.values() for _ in range(told.repeats)]
    sets = ([a for a, _ in every], [b for _, b in every])
    torch.manual_seed(seed)
    told_apart = np.array(discriminative(*sets, seed, steps=told.steps[0])).reshape(-1, told.repeats, 3)
    errors = np.array(predictive(*sets, seed, steps=told.steps[1])).reshape(-1, told.repeats)
    lines = []
    for k, ((model, way), (a, b)) in enumerate(pairs.items()):
        score, real_acc, fake_acc = told_apart[k].mean(0)
        line = {
            "data": name,
            "model": model,
            "windows": way,
            "seed": seed,
            "final": told.final,
            "repeats": told.repeats,
        }
        line |= {"discriminative": score, "predictive": errors[k].mean(), "correlational": correlational(a, b)}
        line |= {"real_acc": real_acc, "fake_acc": fake_acc}
        lines.append({key: round(float(v), 5) if isinstance(v, float) else v for key, v in line.items()})
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.series_scores", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--datasets", nargs="+", default=list(_NAMES))
    parser.add_argument("--models", nargs="+", default=["autoregressive", "stationary", "copula24"])
    parser.add_argument("--windows", nargs="+", default=["drawn", "cut"], choices=["drawn", "cut"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--repeats", type=int, default=2, help="trainings of the metric on one set")
    parser.add_argument(
        "--steps", nargs=2, type=int, default=[2000, 5000], help="of both nets; fewer: it runs, no more"
    )
    parser.add_argument("--final", action="store_true", help="the whole series, as published figures")
    parser.add_argument("--out", default="benchmark_out/series_scores.jsonl")
    return parser


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    told = _parser().parse_args(arguments)
    Path(told.out).parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for name in told.datasets:
        for seed in told.seeds:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = run_one(name, told.data, told.models, told.windows, seed, told)
            lines += found
            with Path(told.out).open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(line) + "\n" for line in found)
            for line in found:
                print(line, flush=True)
    frame = pd.DataFrame(lines).drop(columns=["seed", "final", "repeats"])
    groups = frame.groupby(["data", "model", "windows"], sort=False)
    print(groups.mean().round(4).to_string())
    if len(told.seeds) > 1:
        print("standard deviation over seeds\n" + groups.std().round(4).to_string())


if __name__ == "__main__":
    main()
