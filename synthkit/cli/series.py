"""Long series on the command line: fitting one, drawing paths, and what ``info`` says of it."""

from __future__ import annotations

import argparse
from typing import Any

import pandas as pd

from synthkit.cli.files import read_table, write_table
from synthkit.cli.written import as_written, in_zone, learn_forms, read_times
from synthkit.errors import ConditionError, ParamError
from synthkit.schema import ColumnType, Datetime, Duration, Schema
from synthkit.series.columns import BarColumns, ChangeColumn
from synthkit.series.encoding import SeriesEncoder
from synthkit.synthesizers import SequenceSynthesizer
from synthkit.synthesizers.series import SeriesBackend, looks_like_series

__all__ = ["describe_series", "fit_series", "is_series", "read_history", "sample_series", "write_drawn"]


def is_series(options: argparse.Namespace, table: pd.DataFrame) -> bool:
    """Is the table to be learnt as a long series? Without an entity it is; with one, where it looks like it."""
    if options.kind != "auto":
        return bool(options.kind == "series")
    if options.entity is None:
        return True
    return not options.context and not options.schema and looks_like_series(table, options.entity, options.time)


def fit_series(options: argparse.Namespace, table: pd.DataFrame) -> None:
    """Learn the file's series, and write the model."""
    if options.context:
        raise ParamError("fit: argument '--context' is for records over time; a long series has none.")
    table = read_times(table, options.data, options.time)
    forms = learn_forms(options.data, table, options.time)
    if options.zone:
        table = in_zone(table, options.time, options.zone)
        forms = learn_forms(options.data, table, options.time)
    synthesizer = SequenceSynthesizer(
        options.model,
        entity=options.entity,
        time=options.time,
        kind="series",
        max_seconds=options.max_seconds,
        max_steps=options.max_steps,
        random_state=options.seed,
        progress=None if options.quiet else True,
    ).fit(table)
    series = _backend(synthesizer)
    series.written = forms
    synthesizer.save(options.out)
    print(f"{series.spec.name}: {series.encoder.calendar_.rows} rows of {_width(series.encoder)}")
    print(f"{series.encoder.calendar_}; the model is in {options.out}")


def _backend(synthesizer: SequenceSynthesizer) -> SeriesBackend:
    assert synthesizer.series_ is not None
    return synthesizer.series_


def _width(encoder: SeriesEncoder) -> str:
    """ "3 columns", or of how many entities."""
    columns = f"{len(encoder.frame_.kinds)} columns" if len(encoder.frame_.kinds) != 1 else "1 column"
    return columns if encoder.entity is None else f"{columns}, {len(encoder.frame_.entities)} entities"


def read_history(path: str, synthesizer: SequenceSynthesizer, schema: Schema | None = None) -> pd.DataFrame:
    """A file of the same columns as that which the model was fitted from."""
    if synthesizer.series_ is None:
        return read_table(path, synthesizer.schema_ if schema is None else schema)
    series = synthesizer.series_
    time, zone = series.encoder.calendar_.name, series.encoder.calendar_.ticks.zone
    table = read_times(read_table(path, schema), path, time, series.written.get(str(time)))  # type: ignore[arg-type]
    if zone is not None and time in table and pd.api.types.is_datetime64_any_dtype(table[time].dtype):
        table = in_zone(table, time, zone)  # type: ignore[arg-type]
    return table


def sample_series(synthesizer: SequenceSynthesizer, options: argparse.Namespace) -> pd.DataFrame:
    """Paths of a long series; ``-n`` of them."""
    if options.where:
        raise ParamError("sample: argument '--where' is not for a long series; leave it out.")
    start = options.start
    series = _backend(synthesizer)
    calendar = series.encoder.calendar_
    if start is not None and calendar.kind is not None:
        start = _moment(start, calendar.kind, str(calendar.name), series.written.get(str(calendar.name)))
    return synthesizer.sample(
        length=options.length, n=1 if options.n is None else options.n, start=start, seed=options.seed
    )


def _moment(text: str, kind: ColumnType, name: str, form: str | None) -> Any:
    """The moment that ``text`` names: as the training file writes it ("05.01.2024" may be in May), else by ISO 8601."""
    try:
        if isinstance(kind, Datetime):
            written = None if form is None else pd.to_datetime(text, format=form.partition(":")[2], errors="coerce")
            return pd.Timestamp(text) if written is None or pd.isna(written) else written
        return pd.Timedelta(text) if isinstance(kind, Duration) else float(text)
    except ValueError as error:
        raise ConditionError(f"argument '--start': column {name!r} cannot be {text!r}.") from error


def write_drawn(table: pd.DataFrame, synthesizer: SequenceSynthesizer, options: argparse.Namespace, path: str) -> None:
    """Write drawn rows as the training file was written; Parquet keeps types instead."""
    series = synthesizer.series_
    if series is not None and not path.lower().endswith(".parquet"):
        table = as_written(table, series.written)
    write_table(table, path, formulas=options.allow_formulas)


def describe_series(synthesizer: SequenceSynthesizer) -> str:
    """Lines of ``synthkit info``; no value of the training table is among them."""
    series = _backend(synthesizer)
    encoder = series.encoder
    frame, calendar = encoder.frame_, encoder.calendar_
    copies = "; its paths, and this file, hold values of the training table" if series.copies else ""
    time = "none: rows are one step apart" if calendar.kind is None else f"{calendar.name}: {calendar}"
    lines = [f"model   long series, {series.spec.name}{copies}"]
    if frame.entity is not None:
        lines.append(f"entity  {frame.entity}: {len(frame.entities)} that share the calendar")
    lines += [
        f"time    {time}",
        f"rows    {calendar.rows}",
        f"seasons {', '.join(encoder.profiles_) or 'none'}",
        f"protect {synthesizer.protection_.line}",
        f"columns {len(frame.columns)}",
    ]
    keys = (calendar.name, frame.entity)
    for name in frame.columns:
        if name not in keys:
            lines.append(f"  {name!s:<30} {_column(encoder, name)}")
    return "\n".join(lines)


def _column(encoder: SeriesEncoder, name: Any) -> str:
    """What a column is to the model; where entities differ in it, as that of most."""
    frame = encoder.frame_
    if name in frame.statics:
        return "constant"
    own = [q for q in range(len(frame.keys)) if frame.names[q] == name]
    words = [_key(encoder, q) for q in own]
    gaps = ", may be empty" if any(frame.gaps[q][0] > 0 for q in own) else ""
    return max(words, key=words.count) + gaps


def _key(encoder: SeriesEncoder, q: int) -> str:
    if q in encoder.frame_.constant:
        return "constant"
    if q in encoder.frame_.same:
        return "always equal to another column"
    for part in encoder.parts_:
        if q in part.columns:
            if isinstance(part, BarColumns):
                return "of a bar (open, high, low, close)"
            if isinstance(part, ChangeColumn):
                return "wanders: by log changes" if part.logs else "wanders: by changes"
    return "keeps to its range: by levels"
