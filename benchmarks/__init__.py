"""Measurements, printed side by side by `make bench`; nothing here asserts a speed."""
