"""What is searched for: operations, spaces, genotypes, and the networks that they make."""
