"""Train a genotype with the original's flags: ``python augment.py -name NAME -dataset cifar10 -genotype ...``."""

try:
    import sys

    from dadarts.cli import early

    early.answer_signals("augment.py")
    from dadarts.cli.original import augment_main
except KeyboardInterrupt:
    raise SystemExit(130) from None
except ModuleNotFoundError as error:
    sys.exit(
        f"augment.py: {error.name} is not installed in {sys.executable}; run `make setup`, then `. .venv/bin/activate`"
    )

if __name__ == "__main__":
    code = augment_main()
    early.ignore_signals()
    sys.exit(code)
