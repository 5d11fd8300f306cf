"""Command lines: words to configurations, progress, signals, exit codes."""
