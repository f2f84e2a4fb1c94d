"""Out-of-memory errors as `MemoryShortError`, with the setting to lower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from papergan.errors import MemoryShortError


@contextmanager
def memory_errors(what: str, advice: str) -> Iterator[None]:
    """Raise MemoryShortError if the device or the host runs out of memory inside the block.

    Nothing is reduced automatically: another batch size is another experiment.
    what: what was being done. advice: the setting to lower.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise MemoryShortError(f"out of memory while {what}: {advice}") from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):  # torch has no exception type for the host's memory
            raise
        raise MemoryShortError(f"out of memory while {what}: {advice}") from error
