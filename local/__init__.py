"""The whole system on one machine: for developers and tests, never deployed."""
