"""Daily bars of stocks: fit, draw paths, hold risks against the truth, a fan of what may come, a report, a picture.

    python examples/stock_prices.py            about a minute; writes stock_prices.svg and stock_prices.html
    python examples/stock_prices.py --quick    some seconds, rougher figures

The market is drawn from a law that is known in full (a market factor and own noise, both heavy-tailed, both with
volatility that clusters and rises when prices fall), so that risk figures can be held against the true ones.
"""

from __future__ import annotations

import argparse
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import KDTree

from synthkit import SequenceSynthesizer, SynthkitWarning, evaluate

STOCKS = ["ALM", "BRK", "CDR", "DUN"]
BETA, OWN = np.array([0.8, 1.0, 1.2, 1.5]), np.array([0.008, 0.010, 0.009, 0.014])
AHEAD, YEAR = 60, 250  # days
Floats = NDArray[np.float64]


# -------------------------------------------------------------------- the law
def noise(days: int, width: int, steps: int, rng: np.random.Generator) -> Floats:
    """``(days, width, steps)`` whose sum over a day has spread 1 and is a Student t times the day's volatility.

    The volatility is a GARCH(1,1) with leverage (Glosten, Jagannathan and Runkle, J. Finance 48, 1993).
    """
    wild = np.sqrt(4 / rng.chisquare(6, (days + 100, width, 1)))  # of days: t of 6 degrees of freedom
    out = wild * rng.standard_normal((days + 100, width, steps)) / np.sqrt(steps)
    shocks, variance = out.sum(axis=2), np.ones(width)
    spread = np.empty_like(shocks)
    for day, shock in enumerate(shocks):
        spread[day] = np.sqrt(variance)
        variance = variance * (0.92 + (0.02 + 0.08 * (shock < 0)) * shock**2) + 0.02
    return (out * spread[..., None])[100:]


def draw_returns(days: int, seed: int, steps: int = 1) -> Floats:
    """``(days, stocks, steps)`` log returns within days; their sum is that from close to close."""
    rng = np.random.default_rng(seed)
    market, own = noise(days, 1, steps, rng), noise(days, len(STOCKS), steps, rng)
    return 0.0002 / steps + 0.009 * market * BETA[:, None] + OWN[:, None] * own


def draw_market(days: int, seed: int) -> pd.DataFrame:
    """Bars and volumes, a row per stock and day; weekdays but for New Year, Independence Day and Christmas."""
    rng, inside = np.random.default_rng([seed, 1]), draw_returns(days, seed, 30)
    dates = pd.bdate_range("2015-01-01", periods=days + days // 50 + 5)
    dates = dates[~dates.strftime("%m-%d").isin(["01-01", "07-04", "12-25"])][:days]
    close = np.cumsum(inside.sum(axis=2), axis=0)
    way = close[..., None] - inside.sum(axis=2, keepdims=True) + np.cumsum(inside, axis=2)
    way = 50 * np.exp(way[..., 5:])  # the market opens after a sixth of the day's moves
    wide = np.log(way.max(axis=2) / way.min(axis=2))
    trades = np.exp(14 + 0.5 * np.log(wide / 0.01) + rng.normal(0, 0.25, wide.shape))
    parts = []
    for k, name in enumerate(STOCKS):
        bars = {"Open": way[:, k, 0], "High": way[:, k].max(1), "Low": way[:, k].min(1), "Close": way[:, k, -1]}
        part = pd.DataFrame({"Date": dates, "Ticker": name, **{key: x.round(2) for key, x in bars.items()}})
        parts.append(part.assign(Volume=(trades[:, k] / 100).astype(int) * 100))
    return pd.concat(parts, ignore_index=True)


@cache
def truth() -> Floats:
    """Close-to-close returns of 200 years."""
    return draw_returns(200 * YEAR, 99)[..., 0]


# -------------------------------------------------------------------- risk
def closes(table: pd.DataFrame) -> list[pd.DataFrame]:
    """Closing prices, a column per stock; one table per drawn path."""
    paths = [part for _, part in table.groupby(level="draw")] if "draw" in table.index.names else [table]
    return [path.pivot_table(index="Date", columns="Ticker", values="Close") for path in paths]


def moves(table: pd.DataFrame) -> list[Floats]:
    """Log returns of each path."""
    return [np.diff(np.log(prices[STOCKS].to_numpy()), axis=0) for prices in closes(table)]


def lag(x: Floats, k: int) -> float:
    """Autocorrelation of the size of returns, mean over stocks."""
    size = np.abs(x)
    return float(np.mean([np.corrcoef(size[k:, j], size[:-k, j])[0, 1] for j in range(x.shape[1])]))


def drawdown(portfolio: Floats) -> float:
    """The deepest fall from a peak within a year, median over years (that begin every 20 days)."""
    worst = []
    for begin in range(0, len(portfolio) - YEAR, 20):
        value = np.exp(np.cumsum(portfolio[begin : begin + YEAR]))
        worst.append(1 - (value / np.maximum.accumulate(np.append(1.0, value))[1:]).min())
    return float(np.median(worst))


def risks(paths: list[Floats]) -> dict[str, float]:
    """Figures of a portfolio of equal parts, and of how stocks move; per cent where they are of returns."""
    every = np.concatenate(paths)
    fund = np.log(np.exp(every).mean(1))
    low, high = np.quantile(fund, [0.01, 0.99])
    after = np.concatenate([np.corrcoef(p[:-1].mean(1), p[1:].mean(1) ** 2)[0, 1:] for p in paths])
    together = [np.corrcoef(p.T)[np.triu_indices(len(STOCKS), 1)].mean() for p in paths]
    falls = every[fund <= np.quantile(fund, 0.05)]
    return {
        "volatility of a year, %": 100 * fund.std() * np.sqrt(YEAR),
        "value at risk, 1 %": 100 * low,
        "expected shortfall, 1 %": 100 * fund[fund <= low].mean(),
        "value at risk, 99 %": 100 * high,
        "expected shortfall, 99 %": 100 * fund[fund >= high].mean(),
        "deepest fall in a year, %": 100 * float(np.mean([drawdown(np.log(np.exp(p).mean(1))) for p in paths])),
        "size of a move, lag 1": float(np.mean([lag(p, 1) for p in paths])),
        "size of a move, lag 20": float(np.mean([lag(p, 20) for p in paths])),
        "return and size after it": float(after.mean()),
        "correlation of stocks": float(np.mean(together)),
        "the same on the worst days": float(np.corrcoef(falls.T)[np.triu_indices(len(STOCKS), 1)].mean()),
    }


def compare_risks(real: pd.DataFrame, drawn: dict[str, pd.DataFrame]) -> None:
    """The table of risks: what was learnt from, the truth, and what is drawn."""
    columns = {"real": risks(moves(real)), "the law": risks([truth()])}
    columns |= {name: risks(moves(table)) for name, table in drawn.items()}
    print(f"\n{'figure':<28}" + "".join(f"{name:>14}" for name in columns))
    for figure in columns["real"]:
        print(f"{figure:<28}" + "".join(f"{column[figure]:>14.2f}" for column in columns.values()))
    print("('the law': 200 years of it; the portfolio holds equal parts)")


def copied(drawn: pd.DataFrame, real: pd.DataFrame) -> float:
    """Share of drawn days whose moves of all stocks are those of a real day, but for cents."""
    distance, _ = KDTree(moves(real)[0]).query(np.concatenate(moves(drawn)))
    return float((distance < 0.001).mean())


# -------------------------------------------------------------------- what may come
def go_on(synthesizer: SequenceSynthesizer, real: pd.DataFrame, later: pd.DataFrame, n: int) -> pd.DataFrame:
    """A fan of the days after the last, beside what came (which nobody learnt from)."""
    fan = synthesizer.extend(real, steps=AHEAD, n=n, seed=2)
    assert fan.loc[0, "Date"].nunique() == AHEAD and fan["Date"].min() > real["Date"].max()
    drawn = np.stack([prices[STOCKS].to_numpy() for prices in closes(fan)])
    came = closes(later)[0][STOCKS].to_numpy()[:AHEAD]
    low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
    inside = float(((came >= low) & (came <= high)).mean())
    print(f"\n{n} ways to go on for {AHEAD} days")
    print(f"what came lies in the fan of nine in ten: {inside:.2f} of days and stocks")
    start = closes(real)[0][STOCKS].iloc[-1].to_numpy()
    ten = (drawn[:, 9] / start).mean(1) - 1
    print(f"value at risk of the portfolio over the next ten days, 1 %: {100 * np.quantile(ten, 0.01):.2f} %")
    return fan


# -------------------------------------------------------------------- the picture
INK, SOFT, REAL, MADE, BAND = "#1f2933", "#9aa5b1", "#1f2933", "#d1495b", "#2e86ab"
WIDE, TALL, LEFT, GAP = 540, 250, 60, 100


class Panel:
    """A plot with axes; SVG is text, so that no plotting library is needed."""

    def __init__(self, at: int, title: str, x: tuple[float, float], y: tuple[float, float], logs: bool = False) -> None:
        self.left, self.top = LEFT + (at % 2) * (WIDE + GAP), 90 + (at // 2) * (TALL + 90)
        self.x, self.y, self.logs = x, tuple(map(np.log, y)) if logs else y, logs
        self.parts = [f'<text x="{self.left}" y="{self.top - 14}" class="t">{title}</text>']

    def place(self, x: Floats, y: Floats) -> str:
        """Points as SVG writes them."""
        u = self.left + (np.asarray(x) - self.x[0]) / (self.x[1] - self.x[0]) * WIDE
        y = np.log(np.maximum(y, 1e-12)) if self.logs else np.asarray(y)
        v = self.top + TALL - (np.clip(y, *self.y) - self.y[0]) / (self.y[1] - self.y[0]) * TALL
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(u, v, strict=True))

    def line(self, x: Floats, y: Floats, colour: str, width: float = 1.5, more: str = "") -> None:
        """A line through points."""
        points = self.place(x, y)
        self.parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}" {more}/>')

    def band(self, x: Floats, low: Floats, high: Floats, colour: str, opacity: float) -> None:
        """The area between two lines."""
        points = f"{self.place(x, low)} {self.place(x[::-1], high[::-1])}"
        self.parts.append(f'<polygon points="{points}" fill="{colour}" opacity="{opacity}"/>')

    def axes(self, xs: dict[float, str], ys: dict[float, str]) -> None:
        """Grid lines of the values, and labels of both axes."""
        for value, label in ys.items():
            v = float(self.place(np.array([self.x[0]]), np.array([value])).split(",")[1])
            line = f'<line x1="{self.left}" x2="{self.left + WIDE}" y1="{v}" y2="{v}" stroke="#e4e7eb"/>'
            self.parts.insert(1, line)
            self.parts.append(f'<text x="{self.left - 8}" y="{v + 4}" class="l" text-anchor="end">{label}</text>')
        for value, label in xs.items():
            u = self.left + (value - self.x[0]) / (self.x[1] - self.x[0]) * WIDE
            self.parts.append(
                f'<text x="{u:.1f}" y="{self.top + TALL + 18}" class="l" text-anchor="middle">{label}</text>'
            )


def draw_paths(real: pd.DataFrame, drawn: pd.DataFrame) -> Panel:
    """The first stock, and some paths of it."""
    paths = [p[STOCKS[0]].to_numpy() for p in closes(drawn)[:6]]
    price = closes(real)[0][STOCKS[0]]
    top, low = max(map(np.max, [*paths, price])), min(map(np.min, [*paths, price]))
    panel = Panel(0, f"{STOCKS[0]}: the real path, and six drawn ones", (0, len(price)), (low, top), logs=True)
    marks = [m * 10.0**p for p in range(-1, 5) for m in (1, 1.5, 2, 3, 5, 7) if low <= m * 10.0**p <= top]
    firsts = np.flatnonzero(np.diff(price.index.year)) + 1
    years = {float(i): str(price.index.year[i]) for i in firsts[:: max(1, len(firsts) // 6)]}
    panel.axes(years, {m: f"{m:g}" for m in marks})
    for path in paths:
        panel.line(np.arange(len(path)), path, MADE, 1, 'opacity="0.55"')
    panel.line(np.arange(len(price)), price.to_numpy(), REAL, 1.8)
    return panel


def draw_fan(real: pd.DataFrame, later: pd.DataFrame, fan: pd.DataFrame) -> Panel:
    """What may come after the last day, and what came."""
    name, back = STOCKS[-1], 90
    past, came = closes(real)[0][name].to_numpy()[-back:], closes(later)[0][name].to_numpy()[:AHEAD]
    drawn = np.stack([np.append(past[-1], p[name].to_numpy()) for p in closes(fan)])
    levels = [np.quantile(drawn, q, axis=0) for q in (0.05, 0.25, 0.5, 0.75, 0.95)]
    every = np.concatenate([past, came, levels[0], levels[-1]])
    panel = Panel(
        1,
        f"{name}: a fan of what may come, and what came",
        (-back, AHEAD),
        (every.min(), every.max()),
    )
    span = np.linspace(every.min(), every.max(), 5)
    panel.axes(
        {float(d): f"{d:+d}" if d else "last day" for d in range(-90, AHEAD + 1, 30)}, {v: f"{v:.0f}" for v in span}
    )
    x = np.arange(AHEAD + 1)
    panel.band(x, levels[0], levels[4], BAND, 0.18)
    panel.band(x, levels[1], levels[3], BAND, 0.3)
    panel.line(x, levels[2], BAND, 1.5)
    panel.line(np.arange(-back, 0) + 1, past, REAL, 1.8)
    panel.line(x, np.append(past[-1], came), REAL, 1.8, 'stroke-dasharray="4 3"')
    return panel


def draw_lags(real: pd.DataFrame, drawn: pd.DataFrame) -> Panel:
    """How long storms last: the autocorrelation of the size of moves."""
    lags = np.arange(1, 41)
    own = np.array([[lag(p, k) for k in lags] for p in moves(drawn)])
    here = np.array([lag(moves(real)[0], int(k)) for k in lags])
    true = np.array([lag(truth(), int(k)) for k in lags])
    top = float(max(own.max(), here.max()) * 1.05)
    panel = Panel(2, "Volatility clusters: autocorrelation of the size of moves", (0, 40), (min(-0.05, own.min()), top))
    panel.axes({float(k): f"lag {k}" for k in (1, 10, 20, 30, 40)}, {v: f"{v:.1f}" for v in np.arange(0, top, 0.1)})
    panel.band(lags, own.min(0), own.max(0), MADE, 0.15)
    panel.line(lags, own.mean(0), MADE, 2)
    panel.line(lags, here, REAL, 1.8)
    panel.line(lags, true, SOFT, 1.5, 'stroke-dasharray="5 4"')
    return panel


def draw_tails(real: pd.DataFrame, drawn: pd.DataFrame) -> Panel:
    """How often a stock falls by more than that, on a logarithmic axis."""

    def falls(x: Floats) -> tuple[Floats, Floats]:
        losses = np.sort(-(x / x.std(0)).ravel())[::-1]
        return losses, (np.arange(len(losses)) + 0.5) / len(losses)

    panel = Panel(3, "Losses: how often one is larger, in units of the stock's spread", (1, 8), (1e-5, 0.2), logs=True)
    panel.axes({float(k): f"{k}" for k in range(1, 9)}, {10.0**-k: f"1 in {10**k:,}" for k in range(1, 6)})
    normal = np.random.default_rng(0).standard_normal((10**6, 1))
    sides = [(normal, SOFT, 1.2, 'stroke-dasharray="2 3"'), (np.concatenate(moves(drawn)), MADE, 2.0, "")]
    for x, colour, width, more in [*sides, (moves(real)[0], REAL, 1.8, "")]:
        loss, share = falls(x)
        keep = np.unique(np.geomspace(1, len(loss), 300).astype(int) - 1)
        keep = keep[(loss[keep] >= 1) & (loss[keep] <= 8)]
        panel.line(loss[keep], share[keep], colour, width, more)
    return panel


def write_picture(panels: list[Panel], path: Path) -> None:
    """Four panels and a legend."""
    width, height = 2 * WIDE + LEFT + GAP + 30, 2 * (TALL + 90) + 30
    keys = {"real": REAL, "drawn": MADE, "fan": BAND, "the law (lags), a normal law (losses)": SOFT}
    legend, x = "", LEFT
    for name, colour in keys.items():
        legend += f'<line x1="{x}" x2="{x + 24}" y1="50" y2="50" stroke="{colour}" stroke-width="3"/>'
        legend += f'<text x="{x + 30}" y="54" class="l">{name}</text>'
        x += 60 + 7 * len(name)
    style = f"text{{font-family:sans-serif;fill:{INK}}}.t{{font-size:15px;font-weight:600}}.l{{font-size:12px}}"
    head = f'<text x="{LEFT}" y="30" style="font-size:20px;font-weight:700">Stock prices, real and drawn</text>'
    body = "".join(part for panel in panels for part in panel.parts)
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{style}</style>'
        f'<rect width="100%" height="100%" fill="white"/>{head}{legend}{body}</svg>\n',
        encoding="utf-8",
    )


def main(arguments: list[str] | None = None) -> None:
    """The whole story."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer days and paths")
    parser.add_argument("--picture", type=Path, default=Path("stock_prices.svg"))
    parser.add_argument("--html", type=Path, default=Path("stock_prices.html"), help="the report")
    options = parser.parse_args(arguments)
    days, paths, draws = (800, 6, 100) if options.quick else (2000, 20, 500)
    whole, fresh = draw_market(days + AHEAD, 1), draw_market(days, 2)
    cut = whole["Date"].unique()[days]
    real, later = whole[whole["Date"] < cut].reset_index(drop=True), whole[whole["Date"] >= cut]
    print(f"{days} days of {len(STOCKS)} stocks to learn from; {AHEAD} days that follow, and other years, held out")
    synthesizer = SequenceSynthesizer(entity="Ticker", time="Date", random_state=0).fit(real)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SynthkitWarning)  # it says that its paths are made of real values: known here
        bootstrap = SequenceSynthesizer("bootstrap", entity="Ticker", time="Date", random_state=0).fit(real)
    drawn = {"synthkit": synthesizer.sample(n=paths, seed=1), "bootstrap": bootstrap.sample(n=paths, seed=1)}
    made = drawn["synthkit"]
    sound = (made["High"] >= made[["Open", "Close"]].max(axis=1)) & (made["Low"] <= made[["Open", "Close"]].min(axis=1))
    print(f"{paths} paths of {days} days; unsound bars: {(~sound).sum()}; the real calendar: ", end="")
    print(made.loc[0, "Date"].reset_index(drop=True).equals(real["Date"]))
    print(made.head(3).to_string())
    compare_risks(real, drawn)
    shares = {name: copied(table, real) for name, table in drawn.items()}
    print("days whose moves are those of a real day: " + ", ".join(f"{n} {s:.2f}" for n, s in shares.items()))
    fan = go_on(synthesizer, real, later, draws)
    names = ["acf", "cross", "tail_risk"] if options.quick else None
    how = {"kind": "series", "entity": "Ticker", "time": "Date", "level": "quick"}
    report = evaluate(real, made, holdout=fresh, metrics=names, **how)
    print(f"\n{'score':<28}{'best':>14}{'other years':>14}{'synthetic':>14}")
    for name, score in report.scores.items():  # matched: of blocks as long as those that the other years give
        print(f"{name:<28}{score.best:>14.2f}{score.fresh:>14.2f}{score.matched:>14.2f}")
    report.to_html(options.html)
    panels = [draw_paths(real, made), draw_fan(real, later, fan), draw_lags(real, made), draw_tails(real, made)]
    write_picture(panels, options.picture)
    print(f"\nwritten: {options.picture.name}, {options.html.name}")


if __name__ == "__main__":
    main()
