"""``dadarts`` and ``python -m dadarts``: answers signals before the command line is imported."""

# Nothing is imported before the signals are answered.
try:
    import sys

    from dadarts.cli import early

    early.answer_signals("dadarts")
except KeyboardInterrupt:
    raise SystemExit(130) from None


def main() -> int:
    """Run a subcommand and return its exit code."""
    from dadarts import main as cli

    code = cli.main()
    early.ignore_signals()
    return code


if __name__ == "__main__":
    sys.exit(main())
