"""Fitting as scikit-learn has it: arrays, tables of features or files in, a classifier out."""
