"""The operators' commands: ``python -m lib.console --help``.

Against the running local stack, or against a deployment whose variables are set (where.py).
"""
