"""Where the history of a run goes besides its own folder: a file a logger."""
