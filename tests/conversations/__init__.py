"""Whole conversations, graded on what is in the database and what was said: README.md."""
