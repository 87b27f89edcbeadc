"""Long numeric series: prices, returns, sensors. Models on arrays, and the encoder that makes arrays of tables."""

from synthkit.series.base import Budget, Channels, FittedSeries, SeriesSpec

__all__ = ["Budget", "Channels", "FittedSeries", "SeriesSpec"]
