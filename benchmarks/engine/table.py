"""The results as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.engine.timing import Ratio


def table(rows: Sequence[Ratio], memory: Sequence[Mapping[str, str | int]]) -> str:
    """Times as long as native, then bytes."""
    lines = [
        "| pass | batch | native (s) | NCHW / native | channels_last / native |",
        "|---|---|---|---|---|",
    ]
    for row in (row for row in rows if row.against == "nchw"):
        other = next(r for r in rows if (r.step, r.batch, r.against) == (row.step, row.batch, "channels_last"))
        cells = [f"{r.ratio:.1f} ({r.low:.1f} to {r.high:.1f})" for r in (row, other)]
        lines.append(f"| {row.step} | {row.batch} | {row.seconds:.2f} | {' | '.join(cells)} |")
    lines += [
        "",
        "| memory, batch | saved for the backward pass: native, readable (MB) | peak: native, readable, NCHW (MB) |",
        "|---|---|---|",
    ]
    for m in memory:
        saved, reference, *peaks = (
            f"{int(m[name]) / 1e6:,.0f}"
            for name in ("saved_bytes", "reference_bytes", "peak_bytes", "reference_peak_bytes", "nchw_peak_bytes")
        )
        lines.append(f"| {m['pass']}, {m['batch']} | {saved}, {reference} | {', '.join(peaks)} |")
    return "\n".join(lines) + "\n"
