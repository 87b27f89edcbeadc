"""Files: what is saved comes back; whatever is not ours, whole and unaltered is a LoadError."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthkit import io
from synthkit.errors import LoadError

ARRAYS = {"a": np.arange(6, dtype=np.int32).reshape(2, 3), "b.c": np.array([np.nan, 1.5]), "scalar": np.array(7.0)}
PARTS = ("synthkit.json", "content.json", "arrays.safetensors")

keys = st.one_of(
    st.text(max_size=5),
    st.integers(),
    st.none(),
    st.booleans(),
    st.floats(allow_nan=False),
    st.dates(),
    st.datetimes(),
    st.tuples(st.text(max_size=2), st.integers()),
)
values = st.recursive(
    keys, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)), max_leaves=8
)


@given(values)
def test_json_values_come_back(value: Any) -> None:
    text = json.dumps(io.to_json(value), allow_nan=False)
    assert io.from_json(json.loads(text)) == value


@pytest.mark.parametrize(
    "value",
    [
        pd.Timestamp("2020-01-02 03:04:05.123456789"),
        pd.Timestamp("2020-10-25 00:30", tz="UTC").tz_convert("Europe/Berlin"),
        pd.Timestamp("1600-01-01").as_unit("s"),
        pd.Timedelta(-5, unit="ns"),
        dt.timedelta(days=-3, microseconds=7),
        dt.time(3, 4, 5),
        dt.datetime(2020, 1, 2, tzinfo=dt.UTC),
        np.datetime64("2020-01-02", "D"),
        np.timedelta64(3, "h"),
        pd.Interval(pd.Timestamp("2020-01-01"), pd.Timestamp("2020-01-02"), closed="left"),
        {"$": "float", "v": 1},
        float("-inf"),
        2**80,
    ],
)
def test_scalars_come_back_with_their_class(value: Any) -> None:
    back = io.from_json(json.loads(json.dumps(io.to_json(value), allow_nan=False)))
    assert back == value
    assert type(back) is type(value)


def test_nulls_come_back() -> None:
    back = io.from_json(json.loads(json.dumps(io.to_json([pd.NaT, pd.NA, None, float("nan")]), allow_nan=False)))
    assert back[0] is pd.NaT
    assert back[1] is pd.NA
    assert back[2] is None
    assert np.isnan(back[3])


def test_unknown_objects_are_refused() -> None:
    with pytest.raises(TypeError, match="object cannot be stored"):
        io.to_json({"x": object()})
    with pytest.raises(LoadError, match="newer synthkit"):
        io.from_json({"$": "set", "v": []})


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model.synthkit"
    io.save(path, "synthesizer", {"x": [1, (2, None)]}, ARRAYS)
    return path


def test_round_trip(saved: Path) -> None:
    value, arrays = io.load(saved, "synthesizer")
    assert value == {"x": [1, (2, None)]}
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array, strict=True)


def test_same_content_same_bytes_and_no_leftovers(saved: Path) -> None:
    before = saved.read_bytes()
    io.save(str(saved), "synthesizer", {"x": [1, (2, None)]}, ARRAYS)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


def test_a_failed_save_leaves_the_old_file(saved: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(TypeError):
        io.save(saved, "synthesizer", object(), {})
    os.mkdir(saved.parent / "taken")
    with pytest.raises(OSError):
        io.save(saved.parent / "taken", "synthesizer", 1, {})
    assert saved.read_bytes() == before
    assert sorted(os.listdir(saved.parent)) == [saved.name, "taken"]


def test_every_truncation_is_noticed(saved: Path) -> None:
    whole = saved.read_bytes()
    for length in range(0, len(whole), 7):
        saved.write_bytes(whole[:length])
        with pytest.raises(LoadError):
            io.load(saved, "synthesizer")


def test_an_altered_byte_of_the_content_is_noticed(saved: Path) -> None:
    whole = saved.read_bytes()
    at = whole.index(b"[1,")
    saved.write_bytes(whole[: at + 1] + b"9" + whole[at + 2 :])
    with pytest.raises(LoadError):
        io.load(saved, "synthesizer")


def _rewrite(path: Path, parts: dict[str, bytes], **head: Any) -> None:
    """The file with other parts and a head whose digest fits them: what a forger would write."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in PARTS} | parts
    digest = hashlib.sha256(content[PARTS[1]] + content[PARTS[2]]).hexdigest()
    if PARTS[0] not in parts:
        content[PARTS[0]] = json.dumps(json.loads(content[PARTS[0]]) | {"sha256": digest} | head).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def test_forged_files(saved: Path) -> None:
    original = saved.read_bytes()
    for parts, head, message in (
        ({}, {"version": io.FORMAT_VERSION + 1}, "newer"),
        ({}, {"kind": "checkpoint"}, "another kind"),
        ({}, {"format": "other"}, "not a synthkit file"),
        ({}, {"sha256": "0" * 64}, "digest"),
        ({PARTS[0]: b"[]"}, {}, "not a synthkit file"),
        ({PARTS[0]: b"{}"}, {}, "not a synthkit file"),
        ({PARTS[1]: b"{"}, {}, "damaged"),
        ({PARTS[1]: b"[" * 200_000}, {}, "damaged"),
        ({PARTS[1]: b'{"$":"float","v":[]}'}, {}, "damaged"),
        ({PARTS[2]: b""}, {}, "header"),
        ({PARTS[2]: (2**62).to_bytes(8, "little") + b"{}"}, {}, "header"),
        ({PARTS[2]: _tensors({"a": {"dtype": "F64", "shape": [2**40], "data_offsets": [0, 8]}})}, {}, "damaged"),
        ({PARTS[2]: _tensors({"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 2**40]}})}, {}, "damaged"),
        ({"extra.txt": b"x"}, {}, "not a synthkit file"),
        ({"../evil": b"x"}, {}, "not a synthkit file"),
    ):
        saved.write_bytes(original)
        _rewrite(saved, parts, **head)
        with pytest.raises(LoadError, match=message):
            io.load(saved, "synthesizer")


def _tensors(header: dict[str, Any]) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + b"\0" * 8


def test_a_zip_bomb_is_not_unpacked(saved: Path) -> None:
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in PARTS:
            archive.writestr(name, b" " * 1_000_000)
    with pytest.raises(LoadError, match="size that the file does not have"):
        io.load(saved, "synthesizer")


def test_what_is_no_file_of_ours(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a,b\n1,2\n")
    (tmp_path / "empty").write_bytes(b"")
    for name in ("text", "empty", "absent", "."):
        with pytest.raises(LoadError, match=r"load\("):
            io.load(tmp_path / name, "synthesizer")


def test_another_kind(saved: Path) -> None:
    with pytest.raises(LoadError, match="another kind"):
        io.load(saved, "checkpoint")
