"""Training a genotype's network from scratch, and what is left of it."""
