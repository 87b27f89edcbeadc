"""Pictures of a training, afterwards (``training``) or as it runs in a notebook (``Live``), and of gaps (``missing``).

They are SVG that the package draws itself, as those of reports are: no plotting library is needed, and the pictures of
columns keep the same rule, that no bin stands for fewer than five real rows.
"""

from synthkit.plots.gaps import missing
from synthkit.plots.history import training
from synthkit.plots.live import Live

__all__ = ["Live", "missing", "training"]
