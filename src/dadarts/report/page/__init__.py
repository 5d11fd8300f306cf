"""One HTML page that needs no other file: what it says as plain data, and how that is drawn and written."""
