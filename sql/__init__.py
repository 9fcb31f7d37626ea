"""The database: documented tables, a file per remote procedure, policies, and the migration."""
