"""Run migrations on the connection that `arb/store/ledger/migrate.py` hands over; there is no ini file and no offline mode."""

from alembic import context

from arb.store.ledger.tables import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    compare_type=True,
    render_as_batch=connection.dialect.name == "sqlite",
    # Both databases roll back DDL, once the SQLite driver's own transactions are switched off (arb/store/ledger/database.py).
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
