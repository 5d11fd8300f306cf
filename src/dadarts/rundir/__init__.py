"""The folder of a run: what is in it, who may write it, and how it is found again."""
