"""Run by Alembic; the connection, with its transaction and lock, comes from `datauab.ledger.engine`."""

from __future__ import annotations

from alembic import context

from datauab.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=context.config.attributes["version_table"],
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
