"""What a practitioner gets within minutes."""
