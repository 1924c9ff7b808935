"""The store: SQLite through APSW, and files for large values. Only here is SQL."""
