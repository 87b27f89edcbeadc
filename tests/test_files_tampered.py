"""Files that somebody altered: whatever is done to them, loading ends in LoadError or in a synthesizer, and in little
memory."""

from __future__ import annotations

import hashlib
import io as bytes_io
import json
import resource
import struct
import zipfile
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from synthkit import Protection, SequenceSynthesizer, TabularSynthesizer
from synthkit.errors import LoadError

PARTS = ("synthkit.json", "content.json", "arrays.safetensors")
pytestmark = pytest.mark.filterwarnings("ignore::synthkit.SynthkitWarning", "ignore::UserWarning")


@pytest.fixture(scope="module", params=["table", "net", "series"])
def original(request, tmp_path_factory):
    """A class, the bytes of a small file of it, and a path to write to."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=120), "g": rng.choice(["a", "b"], 120), "n": rng.integers(0, 9, 120)})
    table["d"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 300, 120), "D")
    table["key"] = [f"K{i:04d}" for i in range(120)]
    path = tmp_path_factory.mktemp("tampered") / "model"
    made: Any
    if request.param == "table":
        protect = Protection(quasi_identifiers=("g",))
        made = TabularSynthesizer("independent", protect=protect, random_state=0).fit(table)
    elif request.param == "net":
        made = TabularSynthesizer("autoregressive", random_state=0, max_steps=1).fit(table[["x", "g"]])
    else:
        made = SequenceSynthesizer(time="d", random_state=0).fit(
            pd.DataFrame({"d": pd.date_range("2020-01-01", periods=90), "y": rng.normal(size=90).cumsum()})
        )
    made.save(path)
    return type(made), path.read_bytes(), path


def attempt(original: Any, content: bytes) -> Any:
    """What loading makes of the bytes; every error but LoadError fails the test."""
    cls, _, path = original
    path.write_bytes(content)
    try:
        return cls.load(path)
    except LoadError as error:
        assert str(path) in str(error)
        return None


def zipped(members: list[tuple[Any, bytes]], how: int = zipfile.ZIP_STORED) -> bytes:
    out = bytes_io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(bytes_io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def forged(parts: dict[str, bytes]) -> bytes:
    """With a head that fits, as a forger would write it."""
    digest = hashlib.sha256(parts[PARTS[1]] + parts[PARTS[2]]).hexdigest()
    head = json.loads(parts[PARTS[0]]) | {"sha256": digest}
    return zipped([(PARTS[0], json.dumps(head).encode()), *((name, parts[name]) for name in PARTS[1:])])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.data())
def test_flipped_bits_and_cuts(original, data):
    content = bytearray(original[1])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        what = data.draw(st.sampled_from(["flip", "cut", "drop", "double"]))
        if what == "flip":
            content[at] ^= 1 << data.draw(st.integers(0, 7))
        elif what == "cut":
            content = content[: at + 1]
        elif what == "drop":
            del content[at : at + 9]
            content = content or bytearray(b"\0")
        else:
            content[at:at] = content[at : at + 40]
    attempt(original, bytes(content))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members(original):
    parts = members(original[1])
    whole = [(name, parts[name]) for name in PARTS]
    link = zipfile.ZipInfo("content.json")
    link.external_attr = 0o120777 << 16
    for odd in (
        whole[:2],
        [*whole, whole[0]],
        [*whole, ("../evil", b"x")],
        [*whole, ("/etc/evil", b"x")],
        [*whole[:2], ("arrays.safetensors/", whole[2][1])],
        [(f"./{name}", data) for name, data in whole],
        [(name.upper(), data) for name, data in whole],
        [("a/../" + name, data) for name, data in whole],
        [*whole[:1], (link, b"/etc/passwd"), whole[2]],
    ):
        assert attempt(original, zipped(odd)) is None
    assert attempt(original, zipped([(name, b" " * 10**7) for name in PARTS], zipfile.ZIP_DEFLATED)) is None
    assert attempt(original, zipped(whole, zipfile.ZIP_DEFLATED)) is None
    claim = original[1]
    for field in (struct.pack("<I", len(parts[name])) for name in PARTS):
        assert attempt(original, claim.replace(field, struct.pack("<I", 2**31 - 1))) is None
    assert attempt(original, zipped(whole)) is not None  # the same parts, zipped again


ODD: list[Any] = [None, True, -1, 2**63, 10**18, 1e308, "", "x" * 50, [], [[[]]], {}, {"$": "float", "v": "nan"}]
ODD += [{"$": "Timestamp", "v": "2020-01-01", "u": "ns", "z": "dateutil//etc/passwd"}, {"$": "nope", "v": 1}]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [p for key, item in inner for p in places(item, (*path, key))]


def test_forged_content(original):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    @settings(max_examples=50, deadline=None, derandomize=True)
    @given(st.data())
    def examples(data):
        forge(original, data)

    examples()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB


def forge(original, data):
    """One thing in the content is altered, and the head fits."""
    parts = members(original[1])
    value, arrays = json.loads(parts[PARTS[1]]), load_tensors(parts[PARTS[2]])
    if data.draw(st.booleans()):
        path = data.draw(st.sampled_from(places(value)))
        at = value
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = data.draw(st.sampled_from(ODD))
    else:
        name = data.draw(st.sampled_from(sorted(arrays)))
        x = arrays[name]
        how = data.draw(st.sampled_from(["drop", "nan", "inf", "huge", "dtype", "shape", "longer", "negative"]))
        if how == "drop":
            del arrays[name]
        elif how in ("nan", "inf", "huge", "negative"):
            fill = {"nan": np.nan, "inf": np.inf, "huge": 1e18, "negative": -3}[how]
            kind = x.dtype.kind
            if kind != "f":
                fill = 2**40 if how == "huge" and x.dtype.itemsize == 8 else -3 if kind == "i" else 1
            arrays[name] = np.full_like(x, fill)
        elif how == "dtype":
            arrays[name] = np.nan_to_num(x).astype(np.int64 if x.dtype.kind == "f" else np.float64)
        else:
            arrays[name] = x[None] if how == "shape" else np.concatenate([np.ravel(x)] * 3 + [np.zeros(1, x.dtype)])
    content = forged({**parts, PARTS[1]: json.dumps(value).encode(), PARTS[2]: save_tensors(arrays)})
    attempt(original, content)


def test_nets_larger_than_their_weights_are_not_built(original):
    parts = members(original[1])
    value = json.loads(parts[PARTS[1]])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if "spec" in value and "width" in value["spec"]["params"]:
        value["spec"]["params"] |= {"width": 4096, "depth": 8, "features": 512, "subcells": 64}
        assert attempt(original, forged({**parts, PARTS[1]: json.dumps(value).encode()})) is None
    assert attempt(original, forged({**parts, PARTS[1]: b'{"a":' * 5000 + b"1" + b"}" * 5000})) is None
    assert attempt(original, forged({**parts, PARTS[1]: b'{"encoder": NaN}'})) is None
    header = json.dumps({"a": {"dtype": "F64", "shape": [2**31, 2**31], "data_offsets": [0, 8]}}).encode()
    tensors = len(header).to_bytes(8, "little") + header + b"\0" * 8
    assert attempt(original, forged({**parts, PARTS[2]: tensors})) is None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000
