"""Discretization-aware differentiable architecture search."""
