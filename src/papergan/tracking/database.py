"""A quick check that MLflow's database can be written; MLflow itself would retry for minutes."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

PREFIX = "sqlite:///"
PATIENCE_SECONDS = 2.0  # for other writers to finish; MLflow waits 20, and 100 for a database that cannot be opened
NEW_PATIENCE = 3  # times as long at the beginning of a run, which has only one chance
# they log each failure with a traceback, and each retry
_VERBOSE_LOGGERS = ("mlflow.store.db.utils", "urllib3.connectionpool")


def check_database(uri: str, *, new: bool = False) -> None:
    """Raise sqlite3.Error if a file database is gone, locked, not a database, or not writable.

    uri: as in mlflow.yml; other stores are not checked. new: it may be missing, and is then created, empty.
    Takes at most PATIENCE_SECONDS, three times that with `new`, and changes nothing in an existing database.
    """
    if not uri.startswith(PREFIX):
        return
    file = f"file:{quote(str(Path(uri.removeprefix(PREFIX)).absolute()))}?mode={'rwc' if new else 'rw'}"
    seconds = PATIENCE_SECONDS * (NEW_PATIENCE if new else 1)
    with closing(sqlite3.connect(file, uri=True, timeout=seconds, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")  # the lock that every writer needs first
        database.execute("ROLLBACK")


@contextmanager
def suppressed_mlflow_logs() -> Iterator[None]:
    """Suppress MLflow's log messages about failures inside the block; the exception has the message."""
    loggers = [logging.getLogger(name) for name in _VERBOSE_LOGGERS]
    for logger in loggers:
        logger.addFilter(_is_below_warning)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(_is_below_warning)


def _is_below_warning(record: logging.LogRecord) -> bool:
    return record.levelno < logging.WARNING
