"""A loan portfolio with rare defaults: fit, gates, rows for the rare class, what-if, a stressed portfolio, a picture.

    python examples/credit_risk.py            one or two minutes; writes credit_risk.svg
    python examples/credit_risk.py --quick    some seconds, rougher figures

The portfolio is drawn from a law that is known in full, so that whatever the synthesizer says can be held against the
truth: the chance that a loan defaults, and what a portfolio with more unemployed borrowers would lose.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest, gaussian_kde

from synthkit import Augmentation, TabularSynthesizer, augment, between, evaluate
from synthkit.report.svg import el, joined, ticks

JOBS = {"permanent": 0.70, "temporary": 0.14, "self-employed": 0.12, "unemployed": 0.04}
INCOME = {"permanent": 8.0, "temporary": 7.6, "self-employed": 8.1, "unemployed": 7.1}  # mean of the logarithm
DEBTS = {"permanent": 0.25, "temporary": 0.32, "self-employed": 0.34, "unemployed": 0.50}  # mean ratio to income
GRADES = ["A", "B", "C", "D", "E"]
STRESS, LOST = 0.15, 0.45  # share of unemployed in the stressed portfolio; part of the amount that a default costs
Floats = NDArray[np.float64]


# -------------------------------------------------------------------- the law
def draw_loans(rows: int, seed: int, jobs: Mapping[str, float] = JOBS, given: pd.Series | None = None) -> pd.DataFrame:
    """The law: employment sets income and debts, both the grade, the grade the rate; a default follows from all.

    ``given``: a loan whose income, amount and term all rows have, for the truth of a what-if.
    """
    rng = np.random.default_rng(seed)
    job = pd.Series(rng.choice(list(jobs), rows, p=list(jobs.values())))
    income = np.exp(rng.normal(job.map(INCOME), 0.4)).round(-1)
    amount = (np.exp(rng.normal(9.2 + 0.5 * (np.log(income) - 8), 0.6)) / 100).round().astype(int) * 100
    term = np.where(rng.random(rows) < 1 / (1 + np.exp(9.6 - np.log(amount))), 60, rng.choice([24, 36], rows))
    if given is not None:
        income, amount, term = (np.full(rows, given[name]) for name in ("income", "amount", "term"))
    ratio = rng.normal(job.map(DEBTS), 0.12).clip(0, 1).round(3)
    score = 1.2 * (np.log(income) - 8) - 3.5 * (ratio - 0.28) + rng.normal(0, 0.6, rows)
    grade = np.searchsorted([-0.5, 0.2, 0.8, 1.5], -score)
    rate = 3.2 + 1.9 * grade + 0.5 * (term == 60) + rng.normal(0, 0.4, rows)
    table = pd.DataFrame(
        {
            "loan": [f"L{number:09d}" for number in rng.integers(0, 10**9, rows)],
            "issued": pd.Timestamp("2021-01-04") + pd.to_timedelta(rng.integers(0, 1300, rows), "D"),
            "employment": job,
            "income": income,
            "debt_ratio": ratio,
            "amount": amount,
            "term": term,
            "grade": np.array(GRADES)[grade],
            "rate": rate.clip(0.5).round(2),
        }
    )
    table["defaulted"] = rng.random(rows) < chance(table)
    table.loc[rng.random(rows) < np.where(job == "self-employed", 0.25, 0.03), "income"] = np.nan
    return table


def chance(table: pd.DataFrame) -> pd.Series:
    """The true probability that a loan defaults."""
    grade, unemployed = table["grade"].map(GRADES.index), table["employment"] == "unemployed"
    risk = 0.75 * grade + 1.5 * unemployed + 0.5 * (table["term"] == 60) + 2.0 * table["debt_ratio"]
    return 1 / (1 + np.exp(5.9 - risk))


def stressed() -> dict[str, float]:
    """Shares of employment with more unemployed, the others in proportion."""
    others = (1 - STRESS) / (1 - JOBS["unemployed"])
    return {job: STRESS if job == "unemployed" else share * others for job, share in JOBS.items()}


def loss(table: pd.DataFrame) -> float:
    """What defaults cost, in per cent of what is lent."""
    return float(100 * LOST * table.loc[table["defaulted"], "amount"].sum() / table["amount"].sum())


# -------------------------------------------------------------------- good enough?
def judge(drawn: pd.DataFrame, table: pd.DataFrame, holdout: pd.DataFrame, quick: bool) -> None:
    """Our rows beside fresh real ones, and beside two culprits: copied training rows, and columns torn apart."""
    # what a model learns from the rows is measured closely by augment below: when in a hurry, only there
    left_out = {"tstr": None} if quick else {}
    figures = [name for name in ("shape", "pair", "detection", "tstr", "copies", "dcr") if name not in left_out]
    some = 1000 if quick else len(table)
    report = evaluate(
        table.head(some),
        drawn.head(some),
        holdout=holdout.head(some),
        target="defaulted",
        metrics=figures,
        level="quick",
    )
    print(f"\n{'score':<48}{'best':>8}{'synthkit':>10}{'fresh':>8}{'copies':>8}{'torn':>8}")
    for score in report.scores.values():
        values = (score.best, score.value, score.fresh, score.copy, score.independent)
        print(f"{score.label:<48}" + "".join(f"{v:>{w}.3f}" for v, w in zip(values, (8, 10, 8, 8, 8), strict=True)))
    verdict = report.check("augmentation", **left_out)
    print(f"gate 'augmentation'{', without tstr' if quick else ''}: {verdict.status}")
    for line in str(verdict).splitlines()[1:]:
        if not line.strip().startswith("pass"):
            print(line[:118])


def rare_rows(synthesizer: TabularSynthesizer, table: pd.DataFrame) -> None:
    """Rows under conditions that few real rows meet; their defaults beside what the law says of these very rows."""
    where = {"employment": ["temporary", "unemployed"], "grade": ["D", "E"], "amount": between(15000, None)}
    rows = synthesizer.sample(1000, where=where, seed=1)

    def met(t: pd.DataFrame) -> pd.Series:
        return t["employment"].isin(where["employment"]) & t["grade"].isin(["D", "E"]) & t["amount"].ge(15000)

    print(f"\ntemporary or unemployed, grade D or E, 15,000 or more: {met(table).sum()} of {len(table)} real rows")
    print(f"rows that meet all conditions: {met(rows).mean():.0%} of {len(rows)}")
    print(f"their default rate: drawn {rows['defaulted'].mean():.3f}, the law {chance(rows).mean():.3f}")


def more_defaults(table: pd.DataFrame, quick: bool) -> Augmentation:
    """Do drawn defaults help a model that predicts them? Measured on real rows, beside what costs nothing."""
    fast = {"learners": ("logistic",), "cv": (3, 1), "synthesizer": "copula", "gate": False}
    slow = {"cv": (5, 2)}
    found = augment(table, target="defaulted", goal="rare", random_state=0, **(fast if quick else slow))
    print(f"\nmore rows of the {table['defaulted'].sum()} defaults: {found.verdict}")
    for name, (said, why) in found.verdicts.items():
        print(fill(f"{name}: {said}, {why}", 112, initial_indent="  ", subsequent_indent="    "))
    shown = found.scores[found.scores["metric"] == found.metric].set_index("learner").drop(columns="metric")
    print(f"{found.metric} on real rows\n{shown.to_string(float_format='{:.3f}'.format)}")
    print(f"the table to go on with: {len(found.data)} rows, {sum(found.added.values())} of them drawn")
    return found


# -------------------------------------------------------------------- what if
def what_if(synthesizer: TabularSynthesizer, holdout: pd.DataFrame) -> pd.DataFrame:
    """One applicant whom the model has not seen, with another employment; income, amount and term stay."""
    fits = (holdout["employment"] == "temporary") & holdout["income"].between(1500, 2000) & (holdout["term"] == 60)
    one = holdout[fits].head(1)
    who = one.iloc[0]
    print(f"\nan applicant, {who['income']:,.0f} a month, who asks for {who['amount']:,} over {who['term']} months")
    edits = [{"employment": job} for job in ("permanent", "temporary", "unemployed")]
    edits.append({"employment": "unemployed", "income": 9000.0})
    lines = []
    for edit in edits:
        hold = [name for name in ("income", "amount", "term") if name not in edit]
        found = synthesizer.counterfactual(one, set=edit, hold=hold, target="defaulted", n=2000, seed=2)
        real = draw_loans(20_000, 3, {edit["employment"]: 1.0}, given=pd.Series({**who, **edit}))
        truth = chance(real).mean()
        label = edit["employment"] + (f", income {edit['income']:,.0f}" if "income" in edit else "")
        line = dict(found.outcome[True].iloc[0])
        off = bool(found.off_support.iloc[0])
        lines.append({"label": label, **line, "truth": truth, "off": off})
        print(
            f"  {label:<26}chance of a default {line['probability']:.3f} [{line['low']:.3f}, {line['high']:.3f}], "
            f"the law {truth:.3f}" + ("  OFF SUPPORT" if off else "")
        )
    print("  (OFF SUPPORT: hardly such a row was seen, so do not believe what is drawn)")
    print("  (rows like these in the table, not what a change would bring about; the interval is of the draws alone)")
    return pd.DataFrame(lines)


def stress(synthesizer: TabularSynthesizer, table: pd.DataFrame, drawn: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The same law given employment, with more unemployed; beside the truth, and the real rows with other weights."""
    more = table["employment"].map({job: share / JOBS[job] for job, share in stressed().items()})
    tables = {
        "real": table,
        "drawn": drawn,
        "law": draw_loans(50_000, 4),
        "real, weighted": table.sample(50_000, replace=True, weights=more, random_state=0),
        "stressed": synthesizer.shift(5 * len(table), shares={"employment": stressed()}, seed=3),
        "law, stressed": draw_loans(50_000, 5, stressed()),
    }
    print(f"\n{'figure, %':<24}" + "".join(f"{name:>15}" for name in tables))
    for label, ask in (
        ("share of unemployed", lambda t: 100 * (t["employment"] == "unemployed").mean()),
        ("share of grade E", lambda t: 100 * (t["grade"] == "E").mean()),
        ("default rate", lambda t: 100 * t["defaulted"].mean()),
        ("expected loss", loss),
    ):
        print(f"{label:<24}" + "".join(f"{ask(t):>15.2f}" for t in tables.values()))
    return tables


# -------------------------------------------------------------------- the picture
INK, SOFT, REAL, MADE, HARD, GRID = "#1f2933", "#7b8794", "#2b6cb8", "#e07a1f", "#b3261e", "#e4e7eb"
WIDE, TALL, LEFT, TOP = 470, 260, 70, 130
DASH = "6 4"


class Panel:
    """A plot with axes; SVG is text, so that no plotting library is needed. ``at``: 0 to 3, by rows."""

    def __init__(self, at: int, title: str, note: str, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.left, self.top = LEFT + (at % 2) * (WIDE + 140), TOP + (at // 2) * (TALL + 110)
        self.x, self.y = x, y
        self.parts = [self.words(title, 0, -30, class_="t"), self.words(note, 0, -12, fill=SOFT)]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The pixel of a point."""
        u = self.left + (x - self.x[0]) / (self.x[1] - self.x[0]) * WIDE
        return u, self.top + TALL - (y - self.y[0]) / (self.y[1] - self.y[0]) * TALL

    def words(self, line: str, right: float, down: float, **more: object) -> str:
        """Text, placed from the panel's corner."""
        return el("text", line, x=self.left + right, y=self.top + down, **more)

    def axis(self, labels: Mapping[float, str], along: str) -> None:
        """Grid lines and labels of one axis."""
        for value, label in labels.items():
            u, v = self.at(value, self.y[0]) if along == "x" else self.at(self.x[0], value)
            if along == "x":
                self.parts.append(el("text", label, x=u, y=self.top + TALL + 18, text_anchor="middle"))
            else:
                self.parts.insert(0, el("line", x1=self.left, x2=self.left + WIDE, y1=v, y2=v, stroke=GRID))
                self.parts.append(el("text", label, x=self.left - 8, y=v + 4, text_anchor="end"))

    def line(self, x: Floats, y: Floats, colour: str, dash: str | None = None) -> None:
        """A line through points."""
        points = joined([self.at(a, b) for a, b in zip(x, y, strict=True)])
        self.parts.append(el("path", d=points, fill="none", stroke=colour, stroke_width=2.2, stroke_dasharray=dash))

    def band(self, x: Floats, low: Floats, high: Floats, colour: str) -> None:
        """The area between two lines."""
        ends = [*zip(x, low, strict=True), *zip(x[::-1], high[::-1], strict=True)]
        self.parts.append(el("path", d=joined([self.at(a, b) for a, b in ends]) + "Z", fill=colour, opacity=0.16))

    def span(self, y: float, low: float, high: float, value: float, colour: str) -> None:
        """An interval that lies, and its middle."""
        (u, v), (w, _) = self.at(max(low, self.x[0]), y), self.at(min(high, self.x[1]), y)
        self.parts.append(el("line", x1=u, x2=w, y1=v, y2=v, stroke=colour, stroke_width=3, opacity=0.6))
        self.parts.append(el("circle", cx=self.at(value, y)[0], cy=v, r=5.0, fill=colour))


def by_grade(table: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
    """Default rates of the grades in per cent, with Wilson's interval of 95 %."""
    groups = table.groupby("grade")["defaulted"].agg(["mean", "size"]).reindex(GRADES).fillna(0)
    p, n = groups["mean"].to_numpy(), groups["size"].clip(1).to_numpy(int)
    tests = [binomtest(round(rate * rows), rows) for rate, rows in zip(p, n, strict=True)]
    low, high = np.array([test.proportion_ci(method="wilson") for test in tests]).T
    return 100 * p, 100 * low, 100 * high


def panel_grades(tables: dict[str, pd.DataFrame]) -> Panel:
    """Default rates by grade."""
    rates = {name: by_grade(table) for name, table in tables.items()}
    top = 1.05 * max(high.max() for _, _, high in rates.values())
    panel = Panel(
        0,
        "Default rate by grade",
        "bands: intervals of 95 % for that many rows; dashed: the law, stressed",
        (-0.3, 4.3),
        (0, top),
    )
    panel.axis(dict(enumerate(GRADES)), "x")
    panel.axis({v: f"{v:g} %" for v in ticks(0, top)}, "y")
    x = np.arange(5.0)
    for name, colour, dash in (
        ("real", REAL, None),
        ("drawn", MADE, None),
        ("stressed", HARD, None),
        ("law, stressed", INK, DASH),
    ):
        rate, low, high = rates[name]
        if dash is None:
            panel.band(x, low, high, colour)
        panel.line(x, rate, colour, dash)
    return panel


def panel_losses(tables: dict[str, pd.DataFrame]) -> Panel:
    """What portfolios of 1,000 loans lose: drawn with replacement from each table."""
    rng, curves = np.random.default_rng(0), {}
    for name in ("law", "drawn", "law, stressed", "stressed"):
        amount, gone = tables[name]["amount"].to_numpy(), tables[name]["defaulted"].to_numpy()
        rows = rng.integers(0, len(amount), (4000, 1000))
        curves[name] = 100 * LOST * (amount[rows] * gone[rows]).sum(1) / amount[rows].sum(1)
    end = max(np.quantile(c, 0.999) for c in curves.values())
    grid = np.linspace(0, end, 150)
    heights = {name: gaussian_kde(c)(grid) for name, c in curves.items()}
    top = 1.08 * max(h.max() for h in heights.values())
    panel = Panel(
        1, "Loss of 1,000 loans", "in per cent of what is lent; left: today, right: stressed", (0, end), (0, top)
    )
    panel.axis({v: f"{v:g} %" for v in ticks(0, end)}, "x")
    for name, colour, dash in (
        ("drawn", MADE, None),
        ("stressed", HARD, None),
        ("law", INK, DASH),
        ("law, stressed", INK, DASH),
    ):
        if dash is None:
            panel.band(grid, 0 * grid, heights[name], colour)
        panel.line(grid, heights[name], colour, dash)
    return panel


def panel_edits(lines: pd.DataFrame) -> Panel:
    """The applicant's chances."""
    end = 1.1 * float(lines[["high", "truth"]].to_numpy().max())
    panel = Panel(
        2, "One applicant, edited", "chance of a default; hollow: off support", (0, end), (-0.6, len(lines) - 0.4)
    )
    panel.axis({v: f"{100 * v:g} %" for v in ticks(0, end)}, "x")
    for k, row in enumerate(lines.to_dict("records")):
        y = len(lines) - 1 - k
        panel.span(y, row["low"], row["high"], row["probability"], MADE)
        if row["off"]:
            u, v = panel.at(row["probability"], y)
            panel.parts.append(el("circle", cx=u, cy=v, r=3.0, fill="white"))
        u, v = panel.at(row["truth"], y)
        panel.parts.append(
            el("line", x1=u, x2=u, y1=v - 12, y2=v + 12, stroke=INK, stroke_width=2, stroke_dasharray=DASH)
        )
        panel.parts.append(el("text", row["label"], x=panel.left, y=v - 16))
    return panel


def panel_help(found: Augmentation) -> Panel:
    """Whether drawn defaults help."""
    lines = found.table[found.table["primary"]].reset_index(drop=True)
    reach = 1.1 * float(lines[["low", "high"]].abs().to_numpy().max())
    title, note = (
        f"More defaults: {found.verdict}",
        f"{found.metric.replace('_', ' ')}, drawn rows minus other; right: better",
    )
    panel = Panel(3, title, note, (-reach, reach), (-0.6, len(lines) - 0.4))
    panel.axis({v: f"{v:+g}" if v else "0" for v in ticks(-reach, reach)}, "x")
    (u, bottom), (_, up) = panel.at(0, panel.y[0]), panel.at(0, panel.y[1])
    panel.parts.append(el("line", x1=u, x2=u, y1=bottom, y2=up, stroke=SOFT))
    for k, row in enumerate(lines.to_dict("records")):
        y = len(lines) - 1 - k
        panel.span(y, row["low"], row["high"], row["difference"], SOFT)
        panel.parts.append(el("text", f"{row['learner']}, {row['against']}", x=panel.left, y=panel.at(0, y)[1] - 8))
    return panel


def write_picture(panels: list[Panel], path: Path) -> None:
    """Four panels and a legend."""
    width, height = 2 * WIDE + 140 + LEFT + 40, TOP + 2 * (TALL + 110) - 50
    parts, x = [el("text", "A loan portfolio, real, drawn and stressed", x=LEFT, y=32, class_="h")], LEFT
    for name, colour, dash in (
        ("real", REAL, None),
        ("drawn", MADE, None),
        ("stressed", HARD, None),
        ("the law", INK, DASH),
    ):
        parts.append(el("line", x1=x, x2=x + 26, y1=56, y2=56, stroke=colour, stroke_width=3, stroke_dasharray=dash))
        parts.append(el("text", name, x=x + 32, y=60))
        x += 60 + 7 * len(name)
    style = f"text{{font:12px sans-serif;fill:{INK}}}.t{{font-size:15px}}.h{{font-size:20px}}.t,.h{{font-weight:600}}"
    body = el("rect", width="100%", height="100%", fill="white") + "".join(parts)
    body += "".join("".join(panel.parts) for panel in panels)
    size = {"width": width, "height": height, "viewBox": f"0 0 {width} {height}"}
    svg = el("svg", el("style", style) + body, xmlns="http://www.w3.org/2000/svg", **size)
    path.write_text(svg + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """The whole story."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer loans, training steps and folds")
    parser.add_argument("--picture", type=Path, default=Path("credit_risk.svg"))
    options = parser.parse_args(arguments)
    rows = 2000 if options.quick else 8000
    table, holdout = draw_loans(rows, seed=0), draw_loans(rows, seed=1)
    print(f"{rows} loans to learn from, as many held out; {table['defaulted'].mean():.1%} defaulted")
    model, steps = ("autoregressive", 200) if options.quick else ("auto", None)
    synthesizer = TabularSynthesizer(model, random_state=0, max_steps=steps, max_seconds=90).fit(table)
    drawn = synthesizer.sample(rows, seed=0)
    shared = len(set(drawn["loan"]) & set(table["loan"]))
    print(f"loan numbers are made up: all different: {drawn['loan'].is_unique}, {shared} equal to a real one")
    judge(drawn, table, holdout, options.quick)
    rare_rows(synthesizer, table)
    found = more_defaults(table, options.quick)
    lines = what_if(synthesizer, holdout)
    tables = stress(synthesizer, table, drawn)
    write_picture([panel_grades(tables), panel_losses(tables), panel_edits(lines), panel_help(found)], options.picture)
    print(f"\nwritten: {options.picture.name}")


if __name__ == "__main__":
    main()
