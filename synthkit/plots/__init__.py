"""Pictures of a training: afterwards (``training``), and while it runs in a notebook (``Live``).

They are SVG that the package draws itself, as those of reports are: no plotting library is needed, and the pictures of
columns keep the same rule, that no bin stands for fewer than five real rows.
"""

from synthkit.plots.history import training
from synthkit.plots.live import Live

__all__ = ["Live", "training"]
