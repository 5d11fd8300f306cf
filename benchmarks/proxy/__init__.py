"""Small tasks that stand for a full search, and how well they rank networks whose accuracy is known."""
