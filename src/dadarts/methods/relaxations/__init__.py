"""How alpha becomes the mixing weights of a forward pass."""
