"""``python -m negatives`` is the command ``negatives``."""

import sys

from negatives.cli import main

if __name__ == "__main__":
    sys.exit(main())
