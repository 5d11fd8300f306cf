"""A network spelled out as Python, for people to read and edit: layers, the cells of them, all of it."""
