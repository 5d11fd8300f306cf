"""Methods as data: alphas, relaxations and penalties, schedules, and how a search ends."""
