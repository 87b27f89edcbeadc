"""Before filling: what of a table should be repaired, which cells are probably wrong, and what is missing where."""

from synthkit.cleaning.errors_found import Findings, find_errors
from synthkit.cleaning.inspection import REPAIRS, Inspection, inspect
from synthkit.cleaning.missing import Missingness, missingness
from synthkit.cleaning.repairs import Repair

__all__ = ["REPAIRS", "Findings", "Inspection", "Missingness", "Repair", "find_errors", "inspect", "missingness"]
