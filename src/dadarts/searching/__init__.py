"""The search: the two levels, their steps, and what a genotype is read off."""
