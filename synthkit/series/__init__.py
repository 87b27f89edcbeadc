"""Long numeric series: prices, returns, sensors. Models on arrays, and the encoder that makes arrays of tables."""

from synthkit.series.autoregressive import SeriesAutoregressive
from synthkit.series.base import Budget, Channels, FittedSeries, SeriesSpec
from synthkit.series.bootstrap import SeriesBootstrap
from synthkit.series.gan import SeriesGAN
from synthkit.series.vae import SeriesVAE

__all__ = [
    "SERIES_MODELS",
    "Budget",
    "Channels",
    "FittedSeries",
    "SeriesAutoregressive",
    "SeriesBootstrap",
    "SeriesGAN",
    "SeriesSpec",
    "SeriesVAE",
]

SERIES_MODELS: dict[str, type[SeriesSpec]] = {
    "autoregressive": SeriesAutoregressive,
    "gan": SeriesGAN,
    "vae": SeriesVAE,
    "bootstrap": SeriesBootstrap,  # copies: the baseline that others are held against
}
"""Recipes by name; a new model is one more entry."""
