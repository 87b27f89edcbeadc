"""Do fresh entities pass? Every profile of records over time is checked on entities of the real ones' own law.

Each run draws real, synthetic and holdout entities from one law (or deals those of a table into three parts), evaluates
the figures that profiles look at, and checks all profiles. Printed: how often each profile passes, fails or cannot
tell, and which gates are to blame. ``--culprit`` puts something in the synthetic entities' place that must not pass:
training entities (``copy``), rows dealt without regard to their entity (``rows``), or rows in another order
(``order``).

Usage: ``python -m benchmarks.panel_aa --runs 40 --entities 150`` (or ``--table FILE --entity id --time day``).
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from synthkit.report import PROFILES, evaluate
from synthkit.testing import draw_panel

__all__ = ["main"]


def _draws(options: argparse.Namespace) -> Iterator[list[pd.DataFrame]]:
    """Real, synthetic and holdout records of each run."""
    table = None if options.table is None else pd.read_csv(options.table)
    for seed in range(options.runs):
        if table is None:
            yield [draw_panel(options.entities, 3 * seed + k) for k in range(3)]
        else:
            names = np.random.default_rng(seed).permutation(table[options.entity].unique())
            size = min(options.entities, len(names) // 3)
            parts = (names[k * size : (k + 1) * size] for k in range(3))
            yield [table[table[options.entity].isin(part)] for part in parts]


def planted(synthetic: pd.DataFrame, real: pd.DataFrame, culprit: str | None, keys: Sequence[str]) -> pd.DataFrame:
    """The synthetic records, or the culprit in their place."""
    if culprit == "copy":
        return real
    if culprit is None:
        return synthetic
    rng, who = np.random.default_rng(9), keys[0]
    base = synthetic.sort_values(list(keys), kind="stable").reset_index(drop=True)
    order = [rng.random(len(base))] + ([pd.factorize(base[who])[0]] if culprit == "order" else [])
    columns = (name for name in map(str, base.columns) if name not in keys)
    moving = [name for name in columns if base.groupby(who)[name].nunique(dropna=False).max() > 1]
    mixed = base[moving].take(np.lexsort(order)).reset_index(drop=True)
    return base.drop(columns=moving).join(mixed)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--entities", type=int, default=150)
    parser.add_argument("--table")
    parser.add_argument("--entity", default="who")
    parser.add_argument("--time", default="when")
    parser.add_argument("--culprit", choices=["copy", "rows", "order"])
    options = parser.parse_args(arguments)
    keys = {"entity": options.entity, "time": options.time}
    metrics = list(dict.fromkeys(name for profile in PROFILES.values() for name in profile.panel))
    statuses: Counter[tuple[str, str]] = Counter()
    blamed: Counter[tuple[str, str, str]] = Counter()
    for seed, (real, synthetic, holdout) in enumerate(_draws(options)):
        judged = planted(synthetic, real, options.culprit, list(keys.values()))
        report = evaluate(real, judged, holdout=holdout, metrics=metrics, level="quick", seed=seed, **keys)
        for profile in PROFILES:
            verdict = report.check(profile)
            statuses[profile, verdict.status] += 1
            blamed.update((profile, r.score, r.status) for r in verdict.results if r.status != "pass")
    for profile in PROFILES:
        counts = ", ".join(f"{statuses[profile, s]} {s}" for s in ("pass", "fail", "cannot tell"))
        print(f"{profile}: {counts} of {options.runs}")
    for (profile, score, status), count in sorted(blamed.items()):
        print(f"  {profile}: {score} {status} {count}")


if __name__ == "__main__":
    main()
