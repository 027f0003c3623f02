"""Alembic migrations of the ledger's tables; nbgrader keeps its own version table in the same database."""
