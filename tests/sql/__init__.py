"""The SQL functions on a real PostgreSQL, one rule at a time."""
