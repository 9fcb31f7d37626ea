"""The system from outside: signed calls in, texts out, over the real functions."""
