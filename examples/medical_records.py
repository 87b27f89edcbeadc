"""A medical table with gaps: a score before they are filled, a regression pooled over fillings, a privacy-safe copy.

    python examples/medical_records.py            about half a minute; writes medical_records.svg
    python examples/medical_records.py --quick    some seconds, rougher figures

The table is scikit-learn's diabetes data: 442 patients, and how far the disease went within a year. Cells are emptied
here, so that every answer can be held against that of the full table.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import gaussian_kde, norm
from sklearn.datasets import load_diabetes

from synthkit import AnonymizedTable, ImputationSet, Imputer, anonymize, missingness, pool, score_imputation
from synthkit.errors import PrivacyError
from synthkit.report.svg import el, joined, ticks

Fit = dict[str, tuple[float, float]]  # column -> (coefficient, its variance)
UNITS = {"age": 10, "sex": 1, "bmi": 5, "pressure": 10, "hdl": 10, "lipids": 0.5}  # per how many units it is told


# -------------------------------------------------------------------- the table
def read_patients() -> pd.DataFrame:
    """The full table; ``lipids`` is the logarithm of the triglycerides."""
    bunch = load_diabetes(as_frame=True, scaled=False)
    table = bunch.data.rename(columns={"bp": "pressure", "s3": "hdl", "s5": "lipids"})
    table = table[list(UNITS)].assign(progression=bunch.target.astype(int))
    table["sex"] = np.where(table["sex"] == 1, "a", "b")  # the source does not say which is which
    numbers = np.random.default_rng(0).integers(0, 10**9, len(table))
    return table.assign(patient=[f"P{number:09d}" for number in numbers])


def with_gaps(full: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Who does well comes less often to be measured: gaps depend on the progression, which is seen (at random, MAR)."""
    rng, gaps = np.random.default_rng(seed), full.copy()
    far = (full["progression"] - full["progression"].mean()) / full["progression"].std()
    for name in ("bmi", "lipids"):
        gaps.loc[rng.random(len(full)) < 1 / (1 + np.exp(1.0 + 2.0 * far)), name] = np.nan
    return gaps


def regress(table: pd.DataFrame) -> Fit:
    """Least squares of the progression: coefficients per so many units, and their variances."""
    columns = [(table[name] == "b" if name == "sex" else table[name]) / unit for name, unit in UNITS.items()]
    x = np.column_stack([np.ones(len(table)), *columns]).astype(float)
    y = table["progression"].to_numpy(float)
    inverse = np.linalg.inv(x.T @ x)
    found = inverse @ x.T @ y
    rest = y - x @ found
    variance = np.diag(inverse) * (rest @ rest) / (len(y) - x.shape[1])
    return {name: (float(b), float(v)) for name, b, v in zip(UNITS, found[1:], variance[1:], strict=True)}


# -------------------------------------------------------------------- fill
def score(gaps: pd.DataFrame, quick: bool) -> None:
    """Known cells are hidden where gaps are likely, filled, and judged: before anything is filled in earnest."""
    print(f"\n{missingness(gaps)}")
    how = {"repeats": 2, "draws": 5, "energy": 0, "detect": 0} if quick else {"repeats": 5}
    found = score_imputation(gaps, ["auto"], **how)
    print(f"\n{'how well are hidden cells filled?':<36}{'error':>8}{'of 90 %':>9}  verdict")
    for line in found.table.to_dict("records"):
        told = f"{line['z_rmse']:>8.2f}{line['coverage']:>9.2f}  {line['verdict']}"
        print(
            f"{line['column'] + ' by ' + line['method']:<36}{told}" + (f": {line['reason']}" if line["reason"] else "")
        )
    print("(error: root mean square in standard deviations; of 90 %: what the central 90 % of draws really hold)")


def fill(gaps: pd.DataFrame, full: pd.DataFrame, m: int) -> ImputationSet:
    """Each gap is drawn ``m`` times; here the hidden cells are known."""
    names = [name for name in gaps if name != "patient"]
    copies = Imputer(random_state=0).fit(gaps[names]).multiple(gaps[names], m=m)
    low, high = copies.interval(0.9)
    print(f"\n{m} completed tables; 90 % of each cell's draws hold the hidden cell in")
    for name in ("bmi", "lipids"):
        hidden = gaps[name].isna()
        inside = full.loc[hidden, name].between(low.loc[hidden, name], high.loc[hidden, name]).mean()
        print(f"  {name:<8}{inside:.2f} of {hidden.sum()} cells")
    return copies


def compare_fits(fits: dict[str, Fit]) -> None:
    """Coefficients, and how far they lie from those of the full table, in its standard errors."""
    full = fits["full table"]
    print(f"\n{'progression rises by':<26}" + "".join(f"{name:>18}" for name in fits))
    for name, unit in UNITS.items():
        cells = "".join(f"{fit[name][0]:>11.1f} ({fit[name][1] ** 0.5:>4.1f})" for fit in fits.values())
        print(f"{'per ' + format(unit, 'g') + ' of ' + name if name != 'sex' else 'where sex is b':<26}{cells}")
    away = {n: np.mean([abs(fit[k][0] - full[k][0]) / full[k][1] ** 0.5 for k in full]) for n, fit in fits.items()}
    print(f"{'standard errors away':<26}" + "".join(f"{far:>18.2f}" for far in away.values()))


# -------------------------------------------------------------------- hand over
def hand_over(table: pd.DataFrame, quick: bool) -> AnonymizedTable | None:
    """A copy for others: asked strictly first, then with what cannot be told noted in the certificate."""
    known = {"entity": "patient", "secrets": ["progression"], "quasi_identifiers": ["age", "sex"], "random_state": 0}
    known |= {"model": "copula" if quick else "auto", "purpose": "teaching", "recipients": "a course of statistics"}
    print("\na copy of the first completed table, for others")
    safe = None
    for undecided in ("refuse", "note"):
        try:
            safe = anonymize(table, undecided=undecided, **known)
            certificate = safe.certificate.content
            print(f"undecided='{undecided}': HANDED OVER, {len(safe.table)} rows; {certificate['outcome']}")
        except PrivacyError as error:
            certificate = error.certificate.content
            print(f"undecided='{undecided}': REFUSED")
        for gate in certificate["gates"]:
            if gate["status"] != "pass":
                print(f"  {gate['label']}: {gate['status']}, {gate['reason'].split(': ')[-1]}"[:118])
        if safe is not None:
            shared = set(safe.table["patient"]) & set(table["patient"])
            print(f"{safe.certificate}"[:2000])
            print(f"patients of the table who are named in the copy: {len(shared)}")
            break
    return safe


# -------------------------------------------------------------------- the picture
INK, SOFT, GRID = "#1f2933", "#7b8794", "#e4e7eb"
COLOURS = {"full table": INK, "complete cases": "#b3261e", "pooled": "#2b6cb8", "private copy": "#7b2d8b"}
WIDE, TALL, LEFT, TOP = 500, 440, 120, 135


def frame(left: int, title: str, note: str, marks: dict[float, str]) -> list[str]:
    """Title and grid of a panel; ``marks``: pixel -> label."""
    parts = [el("text", title, x=left, y=TOP - 34, class_="t"), el("text", note, x=left, y=TOP - 16)]
    for u, label in marks.items():
        parts.append(el("line", x1=u, x2=u, y1=TOP, y2=TOP + TALL, stroke=GRID))
        parts.append(el("text", label, x=u, y=TOP + TALL + 18, text_anchor="middle"))
    return parts


def forest(fits: dict[str, Fit]) -> list[str]:
    """Coefficients with intervals of 95 %, a group of lines per column."""
    z = norm.ppf(0.975)
    ends = [b + side * z * v**0.5 for fit in fits.values() for b, v in fit.values() for side in (-1, 1)]
    low, high = min(ends) - 2, max(ends) + 2

    def at(value: float) -> float:
        return LEFT + (value - low) / (high - low) * WIDE

    note = "progression within a year; intervals of 95 %; dotted: the full table"
    parts = frame(
        LEFT, "Coefficients of the regression", note, {at(v): f"{v:+g}" if v else "0" for v in ticks(low, high, 6)}
    )
    parts.append(el("line", x1=at(0), x2=at(0), y1=TOP, y2=TOP + TALL, stroke=SOFT))
    tall = TALL / len(UNITS)
    for k, (name, unit) in enumerate(UNITS.items()):
        top = TOP + k * tall
        label = "sex: b" if name == "sex" else f"{name}, +{unit:g}"
        parts.append(el("text", label, x=LEFT - 12, y=top + tall / 2 + 4, text_anchor="end"))
        u = at(fits["full table"][name][0])
        parts.append(el("line", x1=u, x2=u, y1=top + 6, y2=top + tall - 6, stroke=INK, stroke_dasharray="2 3"))
        for j, (which, fit) in enumerate(fits.items()):
            y, (b, half) = top + tall * (j + 1) / (len(fits) + 1), (fit[name][0], z * fit[name][1] ** 0.5)
            colour = COLOURS[which]
            parts.append(el("line", x1=at(b - half), x2=at(b + half), y1=y, y2=y, stroke=colour, stroke_width=2.5))
            parts.append(el("circle", cx=at(b), cy=y, r=4.0, fill=colour))
    return parts


def densities(full: pd.DataFrame, gaps: pd.DataFrame, copies: ImputationSet, safe: pd.DataFrame | None) -> list[str]:
    """The body mass index: of all, of those who were measured, and with the gaps filled."""
    left, grid = LEFT + WIDE + 90, np.linspace(full["bmi"].min() - 2, full["bmi"].max() + 2, 150)
    curves = [("pooled", gaussian_kde(copy["bmi"])(grid), 0.35) for copy in copies]
    curves.append(("complete cases", gaussian_kde(gaps.dropna()["bmi"])(grid), 1))
    if safe is not None:
        curves.append(("private copy", gaussian_kde(safe["bmi"])(grid), 1))
    curves.append(("full table", gaussian_kde(full["bmi"])(grid), 1))
    top = 1.05 * max(height.max() for _, height, _ in curves)

    def at(value: float) -> float:
        return left + (value - grid[0]) / (grid[-1] - grid[0]) * WIDE

    marks = {at(v): f"{v:g}" for v in ticks(grid[0], grid[-1], 6)}
    parts = frame(
        left, "Who is left", "body mass index: full, measured only, in each completed table, in the copy", marks
    )
    for which, height, opacity in curves:
        points = joined((at(a), TOP + TALL * (1 - b / top)) for a, b in zip(grid, height, strict=True))
        width, colour = 1 if which == "pooled" else 2.5, COLOURS[which]
        parts.append(el("path", d=points, fill="none", stroke=colour, stroke_width=width, opacity=opacity))
    return parts


def write_picture(parts: list[str], fits: dict[str, Fit], path: Path) -> None:
    """Panels and a legend."""
    width, height, x = LEFT + 2 * WIDE + 90 + 30, TOP + TALL + 45, LEFT
    head = el("text", "A medical table with gaps: what is left of the answer", x=LEFT, y=32, class_="h")
    for name in fits:
        head += el("line", x1=x, x2=x + 24, y1=58, y2=58, stroke=COLOURS[name], stroke_width=3)
        head += el("text", name, x=x + 30, y=62)
        x += 64 + 7 * len(name)
    style = f"text{{font:12px sans-serif;fill:{INK}}}.t{{font-size:15px}}.h{{font-size:20px}}.t,.h{{font-weight:600}}"
    body = el("style", style) + el("rect", width="100%", height="100%", fill="white") + head + "".join(parts)
    size = {"width": width, "height": height, "viewBox": f"0 0 {width} {height}"}
    path.write_text(el("svg", body, xmlns="http://www.w3.org/2000/svg", **size) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """The whole story."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats and copies, a model in closed form")
    parser.add_argument("--picture", type=Path, default=Path("medical_records.svg"))
    options = parser.parse_args(arguments)
    full = read_patients()
    gaps = with_gaps(full)
    print(f"{len(full)} patients, {len(gaps.dropna())} of them without a gap")
    score(gaps.drop(columns="patient"), options.quick)
    copies = fill(gaps, full, m=10 if options.quick else 20)
    rest = len(full) - len(UNITS) - 1  # degrees of freedom of a full table
    pooled = pool([regress(copy) for copy in copies], df=rest).table
    fits = {
        "full table": regress(full),
        "complete cases": regress(gaps.dropna()),
        "pooled": {name: (pooled["estimate"][name], pooled["std_error"][name] ** 2) for name in UNITS},
    }
    safe = hand_over(copies[0].assign(patient=gaps["patient"]), options.quick)
    if safe is not None:
        fits["private copy"] = regress(safe.table)
    compare_fits(fits)
    print(
        "(the copy's narrow intervals know neither of the gaps nor of the drawing: to teach with, not to publish from)"
    )
    drawn = None if safe is None else safe.table
    write_picture([*forest(fits), *densities(full, gaps, copies, drawn)], fits, options.picture)
    print(f"\nwritten: {options.picture.name}")


if __name__ == "__main__":
    main()
