"""Damaged and hostile input, made from seeds: ``python -m tests.fuzz``, or `make fuzz`.

A file ``fuzz_*.py`` in here holds `FUZZERS`, which are run by being there.
"""
