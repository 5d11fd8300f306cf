"""Other forms of the supernet's sums, faster: torch's own operations, half precision, and native kernels."""
