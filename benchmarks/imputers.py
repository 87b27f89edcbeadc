"""What fills gaps in ``benchmarks.imputation``: synthkit's engines, and rivals at their recommended settings."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer

from synthkit import Imputer

__all__ = ["METHODS", "Filled"]


@dataclass(frozen=True)
class Filled:
    """A completed table for each judge: ``mean`` for RMSE and accuracy, ``median`` for MAE, ``draw`` for laws."""

    mean: pd.DataFrame
    median: pd.DataFrame
    draw: pd.DataFrame


Parts = tuple[Filled, Filled | None]  # the training part, and the test part (None: the method cannot fill new rows)
_Floats = NDArray[np.float64]


Method = Callable[[pd.DataFrame, pd.DataFrame, int, Any], Parts]  # train, test, seed, the command's arguments


def _ours(method: str) -> Method:
    def run(train: pd.DataFrame, test: pd.DataFrame, seed: int, args: Any) -> Parts:
        imputer = Imputer(method, random_state=seed).fit(train)

        def fill(part: pd.DataFrame) -> Filled:
            mean, median = (imputer.set_params(mode="point", point=p).transform(part) for p in ("mean", "median"))
            return Filled(mean, median, imputer.set_params(mode="draw").transform(part))

        return fill(train), fill(test)

    return run


class _Codes:
    """Tables as matrices: numbers standardised, categories as one-hot columns (missing together) or as codes."""

    def __init__(self, table: pd.DataFrame, hot: bool) -> None:
        self.names, self.hot = list(table.columns), hot
        self.levels = {n: pd.Index(sorted(table[n].dropna().unique())) for n in table if table[n].dtype == object}
        self.scale = {n: (table[n].mean(), table[n].std() or 1.0) for n in table if n not in self.levels}

    def matrix(self, table: pd.DataFrame) -> _Floats:
        parts = []
        for name in self.names:
            if name not in self.levels:
                mean, std = self.scale[name]
                parts.append(((table[name] - mean) / std).to_numpy(dtype=float)[:, None])
                continue
            code = self.levels[name].get_indexer(table[name])
            part = np.eye(len(self.levels[name]))[code] if self.hot else code[:, None].astype(float)
            part[code < 0] = np.nan
            parts.append(part)
        return np.concatenate(parts, axis=1)

    def table(self, matrix: _Floats, holes: pd.DataFrame) -> pd.DataFrame:
        """``holes`` with its gaps from the matrix."""
        out, at = holes.copy(), 0
        for name in self.names:
            gap = holes[name].isna().to_numpy()
            if name not in self.levels:
                mean, std = self.scale[name]
                out.loc[gap, name] = matrix[gap, at] * std + mean
                at += 1
                continue
            width = len(self.levels[name]) if self.hot else 1
            part = matrix[gap, at : at + width]
            code = part.argmax(1) if self.hot else np.clip(np.round(part[:, 0]), 0, len(self.levels[name]) - 1)
            out.loc[gap, name] = self.levels[name].to_numpy()[code.astype(int)]
            at += width
        return out


def _sklearn(train: pd.DataFrame, test: pd.DataFrame, make: Callable[..., Any], **drawing: Any) -> Parts:
    codes = _Codes(train, hot=True)
    parts = [codes.matrix(part) for part in (train, test)]
    fitted = make().fit(parts[0])
    other = make(**drawing).fit(parts[0]) if drawing else fitted
    filled = []
    for holes, matrix in zip((train, test), parts, strict=True):
        point = codes.table(fitted.transform(matrix), holes)
        draw = codes.table(other.transform(matrix), holes) if drawing else point
        filled.append(Filled(point, point, draw))
    return filled[0], filled[1]


def _iterative(train: pd.DataFrame, test: pd.DataFrame, seed: int, args: Any) -> Parts:
    def make(**options: Any) -> Any:
        return IterativeImputer(max_iter=10, random_state=seed, **options)

    return _sklearn(train, test, make, sample_posterior=True)


def _knn(train: pd.DataFrame, test: pd.DataFrame, seed: int, args: Any) -> Parts:
    return _sklearn(train, test, lambda: KNNImputer(n_neighbors=5))


def _miss_forest(train: pd.DataFrame, test: pd.DataFrame, seed: int, args: Any) -> Parts:
    """Stekhoven & Buehlmann, "MissForest", Bioinformatics 2012: forests of 100 trees, root of the inputs tried at each
    split, until the change grows, 10 sweeps at most. It refits on the table that it fills, so there is no test part."""
    codes = _Codes(train, hot=False)
    x = codes.matrix(train)
    gaps, kind = np.isnan(x), [n in codes.levels for n in codes.names]
    for j in range(x.shape[1]):
        seen = x[~gaps[:, j], j]
        x[gaps[:, j], j] = np.bincount(seen.astype(int)).argmax() if kind[j] else seen.mean()
    before, last = x.copy(), (np.inf, np.inf)
    for _ in range(10):
        x = before.copy()
        for j in np.argsort(gaps.mean(0)):
            if gaps[:, j].any():
                x[gaps[:, j], j] = _forest(x, j, gaps[:, j], kind, seed)
        number, category = (gaps & (np.array(kind) == k) for k in (False, True))
        change = (
            float(((x - before)[number] ** 2).sum() / max((x[number] ** 2).sum(), 1e-9)),
            float((x != before)[category].mean()) if category.any() else 0.0,
        )
        if change[0] >= last[0] and (change[1] >= last[1] or not category.any()):
            break
        before, last = x, change
    done = codes.table(before, train)
    return Filled(done, done, done), None


def _forest(x: _Floats, j: int, gap: NDArray[np.bool_], kind: list[bool], seed: int) -> _Floats:
    hot = [
        (x[:, [k]] == np.arange(x[:, k].max() + 1)).astype(float) if kind[k] else x[:, [k]]
        for k in range(x.shape[1])
        if k != j
    ]
    inputs = np.concatenate(hot, axis=1)
    make = RandomForestClassifier if kind[j] else RandomForestRegressor
    forest = make(100, max_features="sqrt", random_state=seed).fit(inputs[~gap], x[~gap, j])
    out: _Floats = forest.predict(inputs[gap])
    return out


_MICE = """
import sys, pandas as pd, miceforest as mf
folder, seed = sys.argv[1], int(sys.argv[2])
train, test = (
    pd.read_csv(folder + "/" + part, dtype=dict.fromkeys(sys.argv[3:], object), keep_default_na=False, na_values=[""])
    for part in ("train.csv", "test.csv")
)
for name in train:
    if train[name].dtype == object:
        levels = sorted(set(train[name].dropna()))
        train[name], test[name] = (pd.Categorical(t[name], categories=levels) for t in (train, test))
kernel = mf.ImputationKernel(train, num_datasets=5, random_state=seed, mean_match_strategy="fast")
kernel.mice(5, num_threads=1)
for k in range(5):
    kernel.complete_data(k).to_csv(f"{folder}/train{k}.csv", index=False)
new = kernel.impute_new_data(test)
for k in range(5):
    new.complete_data(k).to_csv(f"{folder}/test{k}.csv", index=False)
"""

_HYPER = """
import sys, warnings, pandas as pd
warnings.simplefilter("ignore")
from hyperimpute.plugins.imputers import Imputers
folder, seed = sys.argv[1], int(sys.argv[2])
kinds = dict.fromkeys(sys.argv[3:], object)
train = pd.read_csv(folder + "/train.csv", dtype=kinds, keep_default_na=False, na_values=[""])
filled = Imputers().get("hyperimpute", random_state=seed).fit_transform(train)
filled.columns = train.columns
filled.to_csv(folder + "/train0.csv", index=False)
"""


def _mice_forest(train: pd.DataFrame, test: pd.DataFrame, seed: int, args: Any) -> Parts:
    """miceforest, five data sets of five iterations; the centre is their mean or most frequent value."""
    known, new = _elsewhere(args.miceforest, _MICE, train, test, seed, 5)
    left = any(copy.isna().to_numpy().any() for copy in new)  # it leaves gaps in new rows now and then
    return _of_copies(train, known), None if left else _of_copies(test, new)


def _hyper_impute(train: pd.DataFrame, test: pd.DataFrame, seed: int, args: Any) -> Parts:
    """hyperimpute's own default; it refits on any table that it fills, so there is no test part."""
    return _of_copies(train, _elsewhere(args.hyperimpute, _HYPER, train, test, seed, 1)[0]), None


def _elsewhere(
    python: Path, code: str, train: pd.DataFrame, test: pd.DataFrame, seed: int, copies: int
) -> list[list[pd.DataFrame]]:
    """Completed copies of both tables by code that another Python runs."""
    if python is None:
        raise SystemExit("python -m benchmarks.imputation: name that rival's Python (--miceforest, --hyperimpute).")
    out = []
    with tempfile.TemporaryDirectory() as folder:
        for name, part in (("train", train), ("test", test)):
            part.to_csv(Path(folder) / f"{name}.csv", index=False)
        text = [n for n in train if train[n].dtype == object]
        subprocess.run([python, "-c", code, folder, str(seed), *text], check=True, stdout=subprocess.DEVNULL)
        for name, part in (("train", train), ("test", test)):
            kinds = {n: str for n in part if part[n].dtype == object}
            files = [Path(folder) / f"{name}{k}.csv" for k in range(copies)]
            out.append([pd.read_csv(file, dtype=kinds, **_AS_IS) for file in files if file.exists()])
    return out


_AS_IS: dict[str, Any] = {"keep_default_na": False, "na_values": [""]}


def _of_copies(holes: pd.DataFrame, copies: list[pd.DataFrame]) -> Filled:
    mean, median, draw = holes.copy(), holes.copy(), holes.copy()
    for name in holes:
        gap = holes[name].isna().to_numpy()
        cells = pd.concat([copy[name][gap] for copy in copies], axis=1)
        if not gap.any():
            continue
        if holes[name].dtype == object:
            mean.loc[gap, name] = median.loc[gap, name] = cells.mode(axis=1)[0]
        else:
            mean.loc[gap, name], median.loc[gap, name] = cells.mean(axis=1), cells.median(axis=1)
        draw.loc[gap, name] = copies[0][name][gap]
    return Filled(mean, median, draw)


METHODS: dict[str, Method] = {
    **{name: _ours(name) for name in ("auto", "autoregressive", "blend", "neighbours", "median")},
    "missforest": _miss_forest,
    "iterative": _iterative,
    "knn": _knn,
    "miceforest": _mice_forest,
    "hyperimpute": _hyper_impute,
}
