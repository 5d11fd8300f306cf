"""Search an architecture with the original's flags: ``python search.py -name NAME -dataset cifar10 ...``."""

import sys

try:
    from dadarts.legacy import search_main
except ModuleNotFoundError as error:
    sys.exit(
        f"search.py: {error.name} is not installed in {sys.executable}; run `make setup`, then `. .venv/bin/activate`"
    )

if __name__ == "__main__":
    sys.exit(search_main())
