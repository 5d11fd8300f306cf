"""Search an architecture with the original's flags: ``python search.py -name NAME -dataset cifar10 ...``."""

try:
    import sys

    from dadarts.cli import early

    early.answer_signals("search.py")
    from dadarts.cli.original import search_main
except KeyboardInterrupt:
    raise SystemExit(130) from None
except ModuleNotFoundError as error:
    sys.exit(
        f"search.py: {error.name} is not installed in {sys.executable}; run `make setup`, then `. .venv/bin/activate`"
    )

if __name__ == "__main__":
    code = search_main()
    early.ignore_signals()
    sys.exit(code)
