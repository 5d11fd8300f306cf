"""What model.py is made of: functions and classes that are written into it as they stand here."""
