"""Train a genotype with the original's flags: ``python augment.py -name NAME -dataset cifar10 -genotype ...``."""

import sys

try:
    from dadarts.legacy import augment_main
except ModuleNotFoundError as error:
    sys.exit(
        f"augment.py: {error.name} is not installed in {sys.executable}; run `make setup`, then `. .venv/bin/activate`"
    )

if __name__ == "__main__":
    sys.exit(augment_main())
