"""Records over time: the figures of panels in words, for reports."""

from __future__ import annotations

from dataclasses import dataclass

from synthkit.report.words import Words

__all__ = ["PANEL_WORDS", "PanelWords"]


@dataclass(frozen=True)
class PanelWords(Words):
    """What a report says of a figure in ``PANEL_METRICS``.

    Attributes:
        ordered: does it need a time?
        dependent: does it see dependence, so that independent columns fail it?
    """

    ordered: bool = False
    dependent: bool = False


PANEL_WORDS: dict[str, PanelWords] = {
    "entity_detection": PanelWords(
        "detection of entities (AUC)",
        "A classifier that sees summaries of an entity's records tells synthetic from real entities with AUC {value}",
        "ROC AUC of boosted trees on one row of summaries an entity, 5 folds of entities (Lopez-Paz & Oquab, 2017).",
        dependent=True,
    ),
    "values": PanelWords(
        "values of records",
        "The values of records differ by {value} on average",
        "Kolmogorov-Smirnov (numbers) or total variation distance (levels) of each column that varies within "
        "entities, over all records; mean.",
    ),
    "lengths": PanelWords(
        "records per entity",
        "The number of records per entity differs by {value}",
        "Kolmogorov-Smirnov distance of the numbers of records per entity.",
    ),
    "gaps": PanelWords(
        "times between records",
        "Times between records differ by {value}",
        "Mean of three: Kolmogorov-Smirnov distance of all gaps, that of entities' mean log gap, and the difference of "
        "the correlations of a gap with the next one (normal scores).",
        ordered=True,
    ),
    "spans": PanelWords(
        "first times and spans",
        "Entities' first times and spans differ by {value}",
        "Kolmogorov-Smirnov distances of entities' first times and of the times from first to last record; mean.",
        ordered=True,
    ),
    "calendar": PanelWords(
        "calendar",
        "Hours, weekdays, days and months of records differ by {value}",
        "Total variation distance of hours, weekdays, days of the month and months; mean over those that vary.",
        ordered=True,
    ),
    "transitions": PanelWords(
        "transitions",
        "What follows a record's state differs by {value}",
        "Total variation distance of the laws of the next record's state given the present one, mean over states by "
        "their real frequency, and over columns; states are levels, null, and fifths of numbers.",
        ordered=True,
        dependent=True,
    ),
    "autocorrelation": PanelWords(
        "autocorrelation",
        "Correlations of numbers with the entity's earlier ones differ by {value}",
        "Mean absolute difference, over lags 1 to 3, of correlations of a number with the entity's earlier ones, of "
        "normal scores, and of their deviations from the entity's mean.",
        bounds=(0.0, 2.0),
        ordered=True,
        dependent=True,
    ),
    "cross_lag": PanelWords(
        "dependence on the record before",
        "Correlations of columns with others of the record before differ by {value}",
        "Root mean square difference of within-entity correlations of a column with another one of the record before.",
        bounds=(0.0, 2.0),
        ordered=True,
        dependent=True,
    ),
    "variance": PanelWords(
        "variance between entities (ICC)",
        "The share of variance that lies between entities differs by {value}",
        "Mean absolute difference of the intraclass correlation ICC(1) (Shrout & Fleiss, 1979; Donner, 1986).",
        bounds=(0.0, 2.0),
        dependent=True,
    ),
    "context_shape": PanelWords(
        "values of context",
        "The values of context columns differ by {value} on average",
        "Kolmogorov-Smirnov or total variation distance of each column that is constant within entities, an entity "
        "once; mean.",
    ),
    "context_dependence": PanelWords(
        "dependence on context",
        "Correlations of context with what the records come to differ by {value}",
        "Root mean square difference of correlations, over entities, of context with means, shares, lengths and gaps.",
        bounds=(0.0, 2.0),
        dependent=True,
    ),
    "context_kept": PanelWords(
        "context that varies",
        "In {value} of the synthetic entities a context column varies",
        "Share of synthetic entities in which a context column varies; mean over columns.",
    ),
    "missing_runs": PanelWords(
        "runs of empty cells",
        "Empty cells differ by {value}",
        "Mean difference of null rates, of shares of entities without a value, and of the lengths of runs of nulls "
        "(Kolmogorov-Smirnov, of 30 real runs or more); mean over columns.",
        dependent=True,
    ),
    "next_step": PanelWords(
        "next record, skill lost",
        "Models that learn from synthetic entities lose {value} of skill in predicting the next record",
        "Mean over columns of R squared, or 2 AUC - 1, on holdout entities: boosted trees that learn from real minus "
        "those that learn from equally many synthetic entities (Esteban, Hyland & Raetsch, 2017).",
        "utility",
        (-2.0, 2.0),
        ordered=True,
        dependent=True,
    ),
    "label": PanelWords(
        "label of entities, skill lost",
        "A model that learns from synthetic entities loses {value} of skill in predicting the target",
        "R squared, or 2 AUC - 1, on holdout entities: boosted trees on summaries of the records that learn from real "
        "minus those that learn from equally many synthetic entities.",
        "utility",
        (-2.0, 2.0),
        dependent=True,
    ),
    "entity_copies": PanelWords(
        "copied entities",
        "{value} of the synthetic entities have the very records of a training entity",
        "Share of synthetic entities of two records or more whose records, times aside, are a training entity's.",
        "privacy",
    ),
    "memorisation": PanelWords(
        "distance to training entities",
        "Synthetic entities are {value} times as far from training entities as from holdout ones",
        "Mean distance to the nearest training entity over that to the nearest holdout one, of equally many, between "
        "summaries of their records.",
        "privacy",
        (0.0, float("inf")),
    ),
    "entity_membership": PanelWords(
        "strongest membership attack on entities",
        "The strongest of the attacks that were tried tells training from holdout entities with AUC {value}",
        "ROC AUC of the strongest of six membership attacks on entities (their summaries by distance, density ratio, "
        "neighbourhood and classifier; their records by nearness and equality), chosen on one half of the entities and "
        "scored on the other.",
        "privacy",
    ),
    "entity_inference": PanelWords(
        "attribute inference on entities",
        "Beyond what holdout entities allow, an attacker learns a secret of a training entity at a risk of {value}",
        "How much oftener a secret is guessed right, from the other columns and the synthetic records, for training "
        "than for holdout entities, as a share of what is possible (after Giomi et al. 2022); one attempt an entity.",
        "privacy",
        (float("-inf"), 1.0),
    ),
}
"""By the name in ``PANEL_METRICS``, in the order of reports."""
