"""Long series: the figures in words, for reports."""

from __future__ import annotations

from dataclasses import dataclass

from synthkit.report.words import Words

__all__ = ["SERIES_WORDS", "SeriesWords"]


@dataclass(frozen=True)
class SeriesWords(Words):
    """What a report says of a figure in ``SERIES_METRICS``.

    Attributes:
        quick: cheap enough that its interval is found by drawing the references anew.
    """

    quick: bool = False


SERIES_WORDS: dict[str, SeriesWords] = {
    "window_detection": SeriesWords(
        "detection of windows (AUC)",
        "A classifier that sees windows of the paths tells synthetic from held-out real ones with AUC {value}",
        "ROC AUC of boosted trees on windows (values, changes, summaries), split by pieces of the series.",
    ),
    "acf": SeriesWords(
        "autocorrelation",
        "Autocorrelations of moves, of their sizes and squares differ by {value} on average",
        "Mean absolute difference of autocorrelations of moves, absolute and squared moves; lags up to 100, weighted "
        "by 1 / lag; mean over columns.",
        bounds=(0.0, 2.0),
        quick=True,
    ),
    "cross": SeriesWords(
        "correlation of columns",
        "Correlations of the moves of two columns differ by {value} on average",
        "Mean absolute difference of correlations of moves at one step, over pairs of columns.",
        bounds=(0.0, 2.0),
        quick=True,
    ),
    "spectral": SeriesWords(
        "spectrum",
        "The spectra of moves differ by {value}",
        "Mean distance of cumulative spectra (Welch, 256 steps): how far variance has to be moved, as a share of all "
        "frequencies.",
        quick=True,
    ),
    "tail_risk": SeriesWords(
        "tail risk",
        "Value at risk and expected shortfall are off by {value} of the real figure",
        "Mean relative error of value at risk and expected shortfall of changes at 1 % and 99 %.",
        bounds=(0.0, 10.0),
        quick=True,
    ),
    "stylised_facts": SeriesWords(
        "stylised facts",
        "{value} of the stylised facts of returns hold as in the real series",
        "Share of the stylised facts (Cont, 2001) whose figures lie in a block bootstrap's band of the real series.",
    ),
    "profiles": SeriesWords(
        "profiles of day and week",
        "Mean moves by hour and weekday correlate with the real ones by {value}",
        "Correlation of real and synthetic mean moves by hour of the day and by weekday, of columns whose profile is "
        "real.",
        bounds=(-1.0, 1.0),
        quick=True,
    ),
    "next_move": SeriesWords(
        "next move, error ratio",
        "Models that learn from synthetic paths predict real moves with {value} times the error",
        "Root mean square error on held-out blocks of boosted trees that predict the next move and its size: learnt "
        "from synthetic over learnt from real.",
        "utility",
        (0.0, float("inf")),
    ),
    "series_copies": SeriesWords(
        "distance to training windows",
        "Synthetic windows are {value} times as far from training windows as from held-out ones",
        "Mean distance of windows to the nearest training window over that to the nearest held-out one, of equally "
        "many; near 0: copies.",
        "privacy",
        (0.0, float("inf")),
    ),
}
"""By the name in ``SERIES_METRICS``, in the order of reports."""
