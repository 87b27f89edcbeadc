"""Images as a table: a variational auto-encoder and a conditional GAN draw hand-written digits of a wished class.

    python examples/digits.py                      some minutes; writes digits.png
    python examples/digits.py --quick              some seconds, rougher figures
    python examples/digits.py --models autoregressive --picture other.png

The table is scikit-learn's digits: 1,797 images of 8 x 8 pixels, which are 64 columns of integers from 0 to 16, and the
class. Nothing tells a model that two pixels are neighbours: it learns that from the rows.
"""

from __future__ import annotations

import argparse
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.svm import SVC

from synthkit import Schema, TabularSynthesizer, metrics

EACH = 8  # digits of each class in the picture
PIXELS = [f"pixel {row}{column}" for row in range(8) for column in range(8)]


def read_digits(quick: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows to learn from, and rows that no model sees."""
    images, classes = load_digits(return_X_y=True)
    table = pd.DataFrame(images.astype(int), columns=PIXELS).assign(**{"class": classes})
    train, holdout = train_test_split(table, test_size=0.3, random_state=0, stratify=table["class"])
    return train.head(450 if quick else None).reset_index(drop=True), holdout.reset_index(drop=True)


def draw(model: str, train: pd.DataFrame, quick: bool) -> pd.DataFrame:
    """A synthetic digit for every real one, of the same class."""
    schema = Schema.infer(train, overrides={"class": "categorical"})
    start = time.perf_counter()
    synthesizer = TabularSynthesizer(model, schema=schema, random_state=0, max_steps=110 if quick else None)
    synthesizer.fit(train)
    seconds = time.perf_counter() - start
    threes = synthesizer.sample(5, where={"class": 3}, seed=0)
    assert threes["class"].eq(3).all()
    synthetic = synthesizer.sample(where=train[["class"]], seed=1)
    met = synthetic["class"].eq(train["class"]).mean()
    print(f"\n{model}: {synthesizer.n_steps_} steps, {seconds:.0f} seconds; of the wished class: {met:.0%}")
    return synthetic


def report(tables: dict[str, pd.DataFrame], train: pd.DataFrame, holdout: pd.DataFrame) -> None:
    """What the digits are good for, whether they are what was wished, and whether they are new."""

    def accuracy(of: pd.DataFrame, on: pd.DataFrame) -> float:
        return float(SVC().fit(of[PIXELS] / 16, of["class"]).score(on[PIXELS] / 16, on["class"]))

    nearest = NearestNeighbors(n_neighbors=1).fit(train[PIXELS])
    print(f"\n{'a classifier (SVC)':<20}{'learns from these,':>20}{'learns from real,':>20}{'nearest':>12}")
    print(f"{'':<20}{'reads held-out ones':>20}{'reads these':>20}{'real digit':>12}{'copies':>10}")
    for name, table in {"real digits": train, **tables}.items():
        these = holdout if table is train else table
        distance = float(nearest.kneighbors(these[PIXELS])[0].mean())
        figures = f"{accuracy(table, holdout):>20.3f}{accuracy(train, these):>20.3f}{distance:>12.2f}"
        print(f"{name:<20}{figures}{metrics.copy_rate(these, train):>10.3f}")
    print("(real digits: those to learn from in the first figure, held-out ones in the others)")


# -------------------------------------------------------------------- the picture
def write_picture(tables: dict[str, pd.DataFrame], path: Path) -> None:
    """A row of digits per class; real ones on the left, then those of each model."""
    blocks = [picture_of(table) for table in tables.values()]
    gap = np.full((len(blocks[0]), 24), 255, np.uint8)
    parts = [part for block in blocks for part in (block, gap)][:-1]
    write_png(path, np.hstack(parts))
    print(f"\n{path}: from left to right {', '.join(tables)}")


def picture_of(table: pd.DataFrame) -> np.ndarray:
    """Some digits of each class, as grey levels: ink is dark."""
    rows = []
    for digit in range(10):
        some = table.loc[table["class"] == digit, PIXELS].head(EACH).to_numpy().reshape(-1, 8, 8)
        grey = (255 - some * (255 / 16)).round().astype(np.uint8)
        tiles = [np.pad(np.kron(one, np.ones((5, 5), np.uint8)), 3, constant_values=255) for one in grey]
        tiles += [np.full((46, 46), 255, np.uint8)] * (EACH - len(tiles))
        rows.append(np.hstack(tiles))
    return np.vstack(rows)


def write_png(path: Path, grey: np.ndarray) -> None:
    """An 8-bit grey PNG (W3C, "Portable Network Graphics", 2003): no imaging library is needed for that."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = b"".join(b"\0" + line.tobytes() for line in grey)  # each without a filter
    head = struct.pack(">IIBBBBB", grey.shape[1], grey.shape[0], 8, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def main(arguments: list[str] | None = None) -> None:
    """The whole story."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer training steps")
    parser.add_argument("--models", nargs="+", default=["vae", "gan"], help="registered names (default: vae gan)")
    parser.add_argument("--picture", type=Path, default=Path("digits.png"), help="where to write the picture")
    options = parser.parse_args(arguments)
    train, holdout = read_digits(options.quick)
    print(f"{len(train)} digits to learn from, {len(holdout)} held out, {train.shape[1]} columns")
    tables = {name: draw(name, train, options.quick) for name in options.models}
    report(tables, train, holdout)
    write_picture({"real": train, **tables}, options.picture)


if __name__ == "__main__":
    main()
