"""The course that a search and a training share."""
