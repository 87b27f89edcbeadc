"""``python -m synthkit`` is the ``synthkit`` command."""

import sys

from synthkit.cli import main

sys.exit(main())
