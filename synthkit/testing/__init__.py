"""The contract tests of a transformer, for you to run on your own class."""

from synthkit.testing.tables import DiscreteLaw, tiny_encoded, tiny_law, tiny_layout, tiny_table
from synthkit.testing.transformers import TRANSFORMER_CHECKS, TransformerCase, check_transformer

__all__ = [
    "TRANSFORMER_CHECKS",
    "DiscreteLaw",
    "TransformerCase",
    "check_transformer",
    "tiny_encoded",
    "tiny_law",
    "tiny_layout",
    "tiny_table",
]
