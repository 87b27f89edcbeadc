"""The contract tests of transformers, models and metrics, for you to run on your own class.

``check_model(MySpec())`` and ``check_transformer(MyTransformer, cases)`` run all checks of a kind and name the one that
fails; the lists ``MODEL_CHECKS`` and ``TRANSFORMER_CHECKS`` are there to parametrise tests by. The tables come from
laws that are known in full.
"""

from synthkit.testing.metrics import METRIC_CHECKS, MetricCase, check_metric
from synthkit.testing.models import MODEL_CHECKS, ModelCase, check_model
from synthkit.testing.panels import draw_panel
from synthkit.testing.synthesizers import SYNTHESIZER_CHECKS, check_synthesizer
from synthkit.testing.tables import DiscreteLaw, tiny_encoded, tiny_law, tiny_layout, tiny_table
from synthkit.testing.transformers import TRANSFORMER_CHECKS, TransformerCase, check_transformer

__all__ = [
    "METRIC_CHECKS",
    "MODEL_CHECKS",
    "SYNTHESIZER_CHECKS",
    "TRANSFORMER_CHECKS",
    "DiscreteLaw",
    "MetricCase",
    "ModelCase",
    "TransformerCase",
    "check_metric",
    "check_model",
    "check_synthesizer",
    "check_transformer",
    "draw_panel",
    "tiny_encoded",
    "tiny_law",
    "tiny_layout",
    "tiny_table",
]
