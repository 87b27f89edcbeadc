"""Long series on the command line: fit, sample, extend, info; equal to the API, and written as they were read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synthkit import SequenceSynthesizer
from synthkit.cli import main, read_table, write_table

pytestmark = pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning")

ROWS = 300


def prices(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    close = (100 * np.exp(np.cumsum(rng.normal(0, 0.01, ROWS)))).round(2)
    days = pd.bdate_range("2021-01-04", periods=ROWS)
    return pd.DataFrame({"Date": days, "Close": close, "Volume": rng.integers(100, 999, ROWS) * 100})


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Prices, a model of them, and one of two assets in long form."""
    path = tmp_path_factory.mktemp("series")
    write_table(prices(), path / "t.csv")
    both = pd.concat([prices(k).assign(Name=name) for k, name in enumerate(("A", "B"))])
    write_table(both, path / "long.csv")
    words = ["fit", str(path / "t.csv"), "--time", "Date", "--seed", "3", "--quiet"]
    assert main([*words, "-o", str(path / "m")]) == 0
    long = ["fit", str(path / "long.csv"), "--entity", "Name", "--time", "Date", "--quiet"]
    assert main([*long, "--model", "bootstrap", "-o", str(path / "both")]) == 0
    return path


@pytest.fixture(scope="module")
def api(folder) -> SequenceSynthesizer:
    return SequenceSynthesizer(time="Date", random_state=3).fit(read_table(folder / "t.csv"))


def run(capsys, *words: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


def test_sample_equals_the_api(folder, api, tmp_path, capsys):
    out = tmp_path / "s.csv"
    words = ("sample", folder / "m", "--seed", 1, "--length", 40, "-o", out)
    code, said, err = run(capsys, *words, "--start", "2022-03-01")
    assert code == 0 and not err and "40 rows" in said
    expected = api.sample(length=40, start="2022-03-01", seed=1)
    pd.testing.assert_frame_equal(read_table(out), expected, check_dtype=False)
    assert run(capsys, *words, "-n", 3)[0] == 0
    drawn = read_table(out)
    assert (
        list(drawn.columns) == ["draw", "Date", "Close", "Volume"]
        and drawn["draw"].tolist() == [0] * 40 + [1] * 40 + [2] * 40
    )
    assert np.allclose(drawn["Close"], api.sample(length=40, n=3, seed=1)["Close"])


def test_extend_equals_the_api_and_goes_on_after_the_last_day(folder, api, tmp_path, capsys):
    out = tmp_path / "e.csv"
    words = ("extend", folder / "m", folder / "t.csv", "--steps", 5, "--seed", 1, "-o", out)
    assert run(capsys, *words)[0] == 0
    table = read_table(folder / "t.csv")
    pd.testing.assert_frame_equal(read_table(out), api.extend(table, 5, seed=1), check_dtype=False)
    assert read_table(out)["Date"].tolist() == list(pd.bdate_range(table["Date"].iloc[-1], periods=6)[1:])
    assert run(capsys, *words, "--n", 4)[0] == 0 and read_table(out)["draw"].nunique() == 4


def test_few_long_entities_are_one_series(folder, tmp_path, capsys):
    out = tmp_path / "s.csv"
    assert run(capsys, "sample", folder / "both", "--seed", 1, "--length", 30, "-o", out)[0] == 0
    drawn = read_table(out)
    assert drawn["Name"].tolist() == ["A"] * 30 + ["B"] * 30
    first, second = (set(drawn.loc[drawn["Name"] == name, "Date"]) for name in "AB")
    assert first == second


def test_info_says_what_the_file_holds(folder, capsys):
    code, out, err = run(capsys, "info", folder / "m")
    assert code == 0 and not err
    for words in ("long series, autoregressive", "5 of 7 places in a week", "rows    300", "wanders: by log changes"):
        assert words in out
    assert "hold values" not in out and "2021" not in out
    both = run(capsys, "info", folder / "both")[1]
    assert "bootstrap" in both and "hold values" in both and "Name: 2 that share" in both


WRITTEN = {
    "iso": ("%Y-%m-%d", "B"),
    "german": ("%d.%m.%Y", "B"),
    "american": ("%m/%d/%Y", "B"),
    "compact": ("%Y%m%d", "B"),
    "minutes": ("%Y-%m-%d %H:%M", "30min"),
    "midnights": ("%Y-%m-%d 00:00:00", "D"),
    "months": ("%Y-%m", "MS"),
    "greenwich": ("%Y-%m-%dT%H:%M:%SZ", "h"),
    "offset": ("%Y-%m-%dT%H:%M:%S+02:00", "h"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_times_and_numbers_are_written_as_they_were_read(name, tmp_path, capsys):
    form, step = WRITTEN[name]
    moments = pd.date_range("2021-01-01", periods=ROWS + 3, freq=step)
    texts = moments.strftime(form)
    table = prices().assign(Date=texts[:ROWS])
    table["Close"] = table["Close"].map("{:.2f}".format)
    table.to_csv(tmp_path / "t.csv", index=False)
    words = ("--seed", 0, "--quiet", "-o", tmp_path / "m")
    code, _, err = run(capsys, "fit", tmp_path / "t.csv", "--time", "Date", *words)
    assert code == 0, err
    out = tmp_path / "e.csv"
    code, _, err = run(capsys, "extend", tmp_path / "m", tmp_path / "t.csv", "--steps", 3, "--seed", 0, "-o", out)
    assert code == 0, err
    got = pd.read_csv(out, dtype=str)
    assert got["Date"].tolist() == list(texts[ROWS:])
    assert got["Close"].str.fullmatch(r"\d+\.\d\d").all() and got["Volume"].str.fullmatch(r"\d+00").all()


@pytest.mark.parametrize("offsets", [True, False])
def test_hours_of_a_zone_keep_its_clocks(offsets, tmp_path, capsys):
    moments = pd.date_range("2021-10-25", periods=ROWS + 3, freq="h", tz="Europe/Berlin")  # an hour comes twice
    texts = [t.isoformat() if offsets else t.strftime("%Y-%m-%d %H:%M") for t in moments]
    table = prices().assign(Date=texts[:ROWS])
    table.to_csv(tmp_path / "t.csv", index=False)
    fit = ("fit", tmp_path / "t.csv", "--time", "Date", "--zone", "Europe/Berlin", "--quiet", "-o", tmp_path / "m")
    code, _, err = run(capsys, *fit)
    assert code == 0, err
    sample = ("sample", tmp_path / "m", "--length", ROWS + 3, "-o", tmp_path / "s.csv")
    assert run(capsys, *sample)[0] == 0
    assert pd.read_csv(tmp_path / "s.csv")["Date"].tolist() == texts


def test_days_that_may_be_months_are_refused(tmp_path, capsys):
    table = prices().assign(Date=pd.date_range("1990-01-01", periods=ROWS, freq="MS").strftime("%d/%m/%Y"))
    table.to_csv(tmp_path / "t.csv", index=False)
    code, _, err = run(capsys, "fit", tmp_path / "t.csv", "--time", "Date", "-o", tmp_path / "m")
    assert code == 2 and "day/month" in err


@pytest.mark.parametrize(
    "words",
    [
        ("fit", "{t}", "-o", "{o}", "--time", "Day"),
        ("fit", "{t}", "-o", "{o}", "--time", "Volume"),
        ("fit", "{t}", "-o", "{o}", "--time", "Date", "--context", "Close"),
        ("fit", "{t}", "-o", "{o}", "--time", "Date", "--single-rows"),
        ("fit", "{t}", "-o", "{o}", "--time", "Date", "--kind", "panel"),
        ("fit", "{t}", "-o", "{o}", "--time", "Date", "--weight", "Volume"),
        ("fit", "{t}", "-o", "{o}", "--time", "Date", "--model", "copula"),
        ("fit", "{t}", "-o", "{o}", "--time", "Date", "--zone", "Nowhere"),
        ("fit", "{t}", "-o", "{o}", "--zone", "Europe/Berlin"),
        ("sample", "{m}", "--where", "Close=1", "-o", "{o}.csv"),
        ("sample", "{m}", "--start", "never", "-o", "{o}.csv"),
        ("sample", "{m}", "--length", "0", "-o", "{o}.csv"),
        ("sample", "{m}", "-n", "0", "-o", "{o}.csv"),
        ("extend", "{m}", "{t}", "--steps", "0", "-o", "{o}.csv"),
        ("extend", "{m}", "{long}", "--steps", "2", "-o", "{o}.csv"),
    ],
    ids=" ".join,
)
def test_bad_arguments_are_refused(words, folder, tmp_path, capsys):
    places = {"t": folder / "t.csv", "m": folder / "m", "long": folder / "long.csv", "o": tmp_path / "out"}
    code, out, err = run(capsys, *(word.format(**places) for word in words))
    assert code == 2 and not out
    assert err.startswith("synthkit: error: ") and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_start_is_read_as_the_file_writes_its_days(folder, tmp_path, capsys):
    write_table(prices().assign(Date=lambda t: t["Date"].dt.strftime("%d.%m.%Y")), tmp_path / "t.csv")
    words = ("fit", tmp_path / "t.csv", "--time", "Date", "--seed", 3, "--quiet", "-o", tmp_path / "m")
    assert run(capsys, *words)[0] == 0
    for start in ("05.01.2022", "2022-01-05"):
        assert run(capsys, "sample", tmp_path / "m", "--start", start, "--length", 2, "-o", tmp_path / "s.csv")[0] == 0
        assert (tmp_path / "s.csv").read_text().splitlines()[1].startswith("05.01.2022,")
