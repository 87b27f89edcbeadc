"""Does ``augment`` say no where there is nothing to gain, and yes where there is? And does it harm?

    python -m benchmarks.augmentation aa --runs 100            # copies of real rows as "generator": "no evidence"
    python -m benchmarks.augmentation planted --runs 50        # a generator that knows the true law: "helps"
    python -m benchmarks.augmentation tables --data DIR --datasets pima_diabetes --seeds 3
    python -m benchmarks.augmentation replacement --data DIR --datasets adult --seeds 3 --models auto smote --times 5

``aa`` and ``planted`` draw a table from a known law per run. ``tables`` augments a development training part, trains
both learners on what ``augment`` gives back, and tests them on the development holdout, beside the real rows alone.
``replacement`` trains on synthetic rows only: AUC over that of the real rows, DCR share, both beside SMOTE's.
One line of CSV per run goes to ``--out``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.datasets import load
from synthkit import TabularSynthesizer
from synthkit.augmenting import augment
from synthkit.augmenting.cells import Cells
from synthkit.augmenting.counts import added_by_goal
from synthkit.augmenting.generators import draw_classes, fitted
from synthkit.augmenting.learners import LEARNERS, fit_predict
from synthkit.augmenting.scores import score_all, without_shift
from synthkit.augmenting.smote import smote_rows
from synthkit.metrics import dcr_share, detection_auc, pair_error, tstr

__all__ = ["Copies", "Law", "Truth", "main"]


class Copies:
    """The "generator" of the A/A test: real rows, drawn again."""

    def fit(self, table: pd.DataFrame) -> Copies:
        """Keep the rows."""
        self.rows = table
        return self

    def sample(self, n: int, *, where: Mapping[Any, Any], seed: int) -> pd.DataFrame:
        """``n`` of the rows of a class, with replacement."""
        ((name, value),) = where.items()
        of_class = self.rows[self.rows[name] == value]
        return of_class.sample(n, replace=True, random_state=seed).reset_index(drop=True)


class Law:
    """Two classes of normals around two means, in ``width`` columns, half of them noise, and a category that leans.

    With ``turn``, columns of the second half come in pairs whose correlation is ``turn`` in one class and its opposite
    in the other: what no line can see, and boosting needs many rows for.
    """

    def __init__(self, width: int, gap: float, rare: float, turn: float = 0.0) -> None:
        self.width, self.gap, self.rare, self.turn = width, gap, rare, turn

    def of(self, y: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
        """Rows with given classes."""
        shift = np.where(np.arange(self.width) < self.width // 2, self.gap, 0.0)
        x = rng.normal(size=(len(y), self.width)) + y[:, None] * shift
        half = self.width // 2
        for j in range(half, self.width - 1, 2) if self.turn else ():
            x[:, j + 1] = self.turn * np.where(y == 1, 1, -1) * x[:, j] + np.sqrt(1 - self.turn**2) * x[:, j + 1]
        table = pd.DataFrame(x, columns=[f"x{j}" for j in range(self.width)])
        table["c"] = np.where(rng.random(len(y)) < 0.4 + 0.2 * y, "u", "v")
        return table.assign(y=y)

    def draw(self, n: int, seed: int) -> pd.DataFrame:
        """``n`` rows."""
        rng = np.random.default_rng(seed)
        return self.of((rng.random(n) < self.rare).astype(int), rng)


class Truth:
    """The generator of the planted gain: the law itself."""

    def __init__(self, law: Law) -> None:
        self.law = law

    def fit(self, table: pd.DataFrame) -> Truth:
        """Nothing is left to learn."""
        return self

    def sample(self, n: int, *, where: Mapping[Any, Any], seed: int) -> pd.DataFrame:
        """Fresh rows of a class."""
        return self.law.of(np.full(n, where["y"]), np.random.default_rng(seed))


# -------------------------------------------------------------------- simulations
def aa(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Copies as the generator."""
    law = Law(8, 0.5, 0.15)
    return [
        _verdict("aa", seed, options, law.draw(options.rows, 1000 + seed), Copies())
        for seed in range(options.start, options.start + options.runs)
    ]


def planted(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The law as the generator; few rows of the rarer class in many columns."""
    law = Law(options.width, options.gap, options.rare, options.turn)
    return [
        _verdict("planted", seed, options, law.draw(options.rows, 1000 + seed), Truth(law))
        for seed in range(options.start, options.start + options.runs)
    ]


def _verdict(what: str, seed: int, options: argparse.Namespace, table: pd.DataFrame, generator: Any) -> dict[str, Any]:
    begin = time.perf_counter()
    found = augment(
        table,
        target="y",
        goal=options.goal,
        amount=options.amount,
        cv=tuple(options.cv),
        synthesizer=generator,
        gate=False,
        learners=tuple(options.learners),
        metric=options.metric,
        random_state=seed,
    )
    line = {"what": what, "seed": seed, "rows": len(table), "goal": options.goal, "verdict": found.verdict}
    line |= {name: said for name, (said, _) in found.verdicts.items()}
    own = found.table[found.table["primary"]]
    for r in own.to_dict("records"):
        line[f"{r['learner']} - {r['against']}"] = r["difference"]
    return {**line, "seconds": time.perf_counter() - begin}


# -------------------------------------------------------------------- real tables
def tables(options: argparse.Namespace) -> list[dict[str, Any]]:
    """What comes back, as training rows, beside the real rows: on rows that neither has seen."""
    lines = []
    for name in options.datasets:
        for seed in range(options.start, options.start + options.seeds):
            begin = time.perf_counter()
            train, holdout, target, _ = _split(name, options, seed)
            found = augment(
                train,
                target=target,
                goal=options.goal,
                amount=options.amount,
                cv=tuple(options.cv),
                metric=options.metric,
                synthesizer=options.synthesizer,
                random_state=seed,
            )
            forced = augment_rows(train, target, options, seed)
            line = {"what": "tables", "data": name, "seed": seed, "rows": len(train), "goal": options.goal}
            line |= {"verdict": found.verdict, "gate": found.gate_status, "added": sum(found.added.values())}
            for r in found.table[found.table["primary"]].to_dict("records"):
                line[f"{r['learner']} - {r['against']}"] = r["difference"]
                if r["against"] == "nothing":
                    line[f"{r['learner']} interval"] = (r["high"] - r["low"]) / 2
            for learner in LEARNERS:
                for label, rows in (("real", train), ("default", found.data), ("forced", forced)):
                    score = holdout_score(learner, rows, train, holdout, target, seed)
                    line[f"{learner} {label}"] = score[found.metric]
            lines.append({**line, "seconds": time.perf_counter() - begin})
            print(pd.Series(lines[-1]).to_string(), flush=True)
    return lines


def augment_rows(train: pd.DataFrame, target: str, options: argparse.Namespace, seed: int) -> pd.DataFrame:
    """The training rows with the generator's, whatever a verdict says."""
    counts = train[target].value_counts()
    extra = added_by_goal(counts.to_numpy(), options.goal, options.amount)
    generator = fitted(options.synthesizer, train, target, seed)
    drawn = draw_classes(generator, train, target, dict(zip(counts.index, extra, strict=True)), seed)
    return pd.concat([train, drawn], ignore_index=True)


def holdout_score(
    learner: str, rows: pd.DataFrame, train: pd.DataFrame, holdout: pd.DataFrame, target: str, seed: int
) -> dict[str, float]:
    """All metrics on the holdout of a learner of ``rows``."""
    classes = list(train[target].value_counts().index)
    cells = Cells.of(train, [target])
    y, y_test, y_train = (pd.Index(classes).get_indexer(t[target]) for t in (rows, holdout, train))
    size = len(classes)
    answers = fit_predict(learner, (cells.matrix(rows), y, None), cells.matrix(holdout), cells.categorical, size, seed)
    seen, true = (np.bincount(v, minlength=size) / len(v) for v in (y, y_train))
    return score_all(y_test, without_shift(answers, seen, true), true)


def replacement(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Train on synthetic rows only."""
    lines = []
    for name in options.datasets:
        for seed in range(options.start, options.start + options.seeds):
            train, holdout, target, kinds = _split(name, options, seed)
            made: dict[str, tuple[pd.DataFrame, float]] = {}
            for model in options.models:
                begin = time.perf_counter()
                rows = _replaced(model, train, target, kinds, seed, options.times)
                made[model] = rows, time.perf_counter() - begin
            real = tstr(train, holdout, target, kinds=kinds, seed=seed)
            for model, (rows, seconds) in made.items():
                auc = tstr(rows, holdout, target, kinds=kinds, seed=seed)
                lines.append(
                    {
                        "what": "replacement",
                        "data": name,
                        "model": model,
                        "times": options.times,
                        "seed": seed,
                        "real": real,
                        "auc": auc,
                        "ratio": auc / real,
                        "dcr": dcr_share(rows, train, holdout, kinds=kinds, seed=seed),
                        "detection": detection_auc(holdout, rows, kinds=kinds, seed=seed),
                        "pair": pair_error(train, rows, kinds=kinds).value,
                        "seconds": seconds,
                    }
                )
                print(pd.Series(lines[-1]).to_string(), flush=True)
    return lines


def _replaced(
    model: str, train: pd.DataFrame, target: str, kinds: Mapping[Any, Any], seed: int, times: int
) -> pd.DataFrame:
    """``times`` as many rows as there are to learn from."""
    if model == "smote":
        cells = Cells.of(train, kinds=kinds)
        x, rng = cells.matrix(train), np.random.default_rng(seed)
        parts = [x[np.flatnonzero(train[target] == c)] for c in train[target].unique()]
        drawn = np.concatenate([smote_rows(part, cells.categorical, times * len(part), rng) for part in parts])
        return table_of(cells, drawn, train)
    spec = None if model == "default" else model
    if spec is None:
        counts = (times * train[target].value_counts()).to_dict()
        return draw_classes(fitted(None, train, target, seed), train, target, counts, seed)
    return TabularSynthesizer(spec, random_state=seed).fit(train).sample(times * len(train), seed=seed)


def table_of(cells: Cells, matrix: np.ndarray, like: pd.DataFrame) -> pd.DataFrame:
    """A table with the dtypes of ``like`` from numbers and codes; numbers of whole columns are rounded."""
    columns = {}
    for j, name in enumerate(cells.kinds):
        null = np.isnan(matrix[:, j])
        if name in cells.levels:
            column = pd.Series(cells.levels[name].take(np.where(null, 0, matrix[:, j]).astype(int)))
        else:
            whole = pd.api.types.is_integer_dtype(like[name].dtype)
            column = pd.Series(matrix[:, j].round() if whole else matrix[:, j])
        columns[name] = column.mask(null).astype(like[name].dtype)
    return pd.DataFrame(columns)


def _split(name: str, options: argparse.Namespace, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, Any, Any]:
    split = load(name, options.data, seed, dev=not options.final)
    if name == "heart_cleveland":  # as is usual: diseased or not
        for part in (split.train, split.holdout):
            part[split.target] = (part[split.target] > 0).astype(int)
    train = split.train.dropna(subset=[split.target])
    if options.most and len(train) > options.most:
        train = train.sample(options.most, random_state=seed)
    columns, holdout = list(split.kinds), split.holdout.dropna(subset=[split.target])
    # codes are numbers in some files: read as texts, so that every part takes them for categories
    texts = [c for c, kind in split.kinds.items() if kind == "categorical" and c != split.target]
    as_text = [
        t[columns].assign(**{c: t[c].astype(object).map(str, na_action="ignore") for c in texts})
        for t in (train, holdout)
    ]
    return as_text[0].reset_index(drop=True), as_text[1].reset_index(drop=True), split.target, split.kinds


# -------------------------------------------------------------------- command
def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["aa", "planted", "tables", "replacement"])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--width", type=int, default=20, help="columns of the planted gain")
    parser.add_argument("--gap", type=float, default=0.35, help="between the classes, in standard deviations a column")
    parser.add_argument("--rare", type=float, default=0.3, help="share of the rarer class of the planted gain")
    parser.add_argument("--learners", nargs="+", default=[*LEARNERS])
    parser.add_argument("--turn", type=float, default=0.0, help="of the correlations of the planted gain")
    parser.add_argument("--goal", default="balance", choices=["balance", "grow", "rare"])
    parser.add_argument("--amount", type=float, default=1.0)
    parser.add_argument("--metric")
    parser.add_argument("--synthesizer", help="of tables: a model's name; default: that of augment")
    parser.add_argument("--times", type=int, default=1, help="rows of replacement over training rows")
    parser.add_argument("--cv", type=int, nargs=2, default=(5, 3))
    parser.add_argument("--data")
    parser.add_argument("--datasets", nargs="+", default=["breast_cancer"])
    parser.add_argument("--models", nargs="+", default=["default", "smote"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--most", type=int, help="training rows at most")
    parser.add_argument("--dev", action="store_true", help="the default: the true holdout stays unseen")
    parser.add_argument("--final", action="store_true")
    parser.add_argument("--out", default="benchmark_out/augmentation.csv")
    return parser


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    """Run and print; returns one line per run."""
    options = _parser().parse_args(argv)
    runs: dict[str, Any] = {"aa": aa, "planted": planted, "tables": tables, "replacement": replacement}
    found = pd.DataFrame(runs[options.what](options))
    out = Path(options.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    found.to_csv(out, mode="a", index=False, header=not out.exists())
    if "verdict" in found:
        print(found["verdict"].value_counts().to_string())
    print(found.select_dtypes("number").mean().to_string(float_format="{:.4f}".format))
    return found


if __name__ == "__main__":
    main()
