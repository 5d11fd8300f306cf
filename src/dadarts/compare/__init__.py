"""Comparisons: every method with every seed under one protocol, in processes of their own, and what came of it."""
