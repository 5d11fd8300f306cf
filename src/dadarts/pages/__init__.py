"""The pages of runs: what their folders say, gathered for `report.page`, and ``dadarts report``."""
