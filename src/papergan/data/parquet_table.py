"""A parquet file of images: its columns, its rows, and a DataError in one line for whatever is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from papergan.atomic_files import check_regular
from papergan.data.memory import check_memory
from papergan.errors import DataError
from papergan.messages import sanitise

if TYPE_CHECKING:
    from pyarrow import DataType, RecordBatch, Schema

LABEL_COLUMN = "label"
_BATCH_ROWS = 256


@dataclass(frozen=True)
class ParquetTable:
    """schema: of the columns. rows: as the footer claims, which `batches` compares with what there is."""

    path: Path
    schema: Schema
    rows: int

    @classmethod
    def of(cls, path: Path) -> ParquetTable:
        """Read the footer only. Raises DataError where there is none, or it claims more rows than fit into memory."""
        from pyarrow.parquet import ParquetFile

        try:
            check_regular(path)
            with ParquetFile(path) as file:
                schema, rows = file.schema_arrow, int(file.metadata.num_rows)
        except FileNotFoundError as error:
            raise DataError(f"{path} does not exist") from error
        except Exception as error:  # Arrow's reader raises many types on garbage; each means the same here
            raise DataError(f"{path} is not a readable parquet file ({sanitise(error)}); get it again") from error
        if rows < 0:
            raise DataError(f"{path} is a damaged parquet file (it claims {rows} rows); get it again")
        check_memory(f"{path}, which claims {rows} rows,", rows * np.dtype(np.int64).itemsize)
        return cls(path, schema, rows)

    def batches(self, *columns: str) -> Iterator[RecordBatch]:
        """These columns, some rows at a time. Raises DataError where there are fewer or more rows than claimed."""
        from pyarrow.parquet import ParquetFile

        left = self.rows
        try:
            with ParquetFile(self.path) as file:
                for batch in file.iter_batches(_BATCH_ROWS, columns=list(columns)):
                    left -= len(batch)
                    if left < 0:
                        break
                    yield batch
        except Exception as error:  # as above
            raise DataError(f"{self.path} is a damaged parquet file ({sanitise(error)}); get it again") from error
        if left:
            raise DataError(
                f"{self.path} is a damaged parquet file (it does not hold the {self.rows} rows it claims); get it again"
            )


def is_binary(kind: DataType) -> bool:
    """A column of files."""
    from pyarrow import types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def has_bytes(kind: DataType) -> bool:
    """A column of the Hugging Face Hub's layout, a struct with a binary field `bytes`."""
    from pyarrow import types

    has_field = types.is_struct(kind) and kind.get_field_index("bytes") >= 0
    return has_field and is_binary(kind.field("bytes").type)
