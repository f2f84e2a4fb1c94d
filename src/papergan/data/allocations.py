"""A limit on the memory of networks, enforced while they are built."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from papergan.data.memory import available_bytes
from papergan.errors import MemoryShortError


@contextmanager
def no_more_than_there_is(what: str, advice: str) -> Iterator[None]:
    """Raise MemoryShortError once the tensors created inside the block exceed the available memory.

    Linux overcommits memory and kills the process that then writes to it. A weight is therefore counted when it is
    allocated, which is before it is initialised. what: the work being done. advice: the setting to lower.
    """
    available = available_bytes()
    if available is None:
        yield
        return
    with _Counting(available, f"out of memory while {what}: it needs more than the {available / 1e9:.1f} GB", advice):
        yield


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of new tensors and of copies, but not of tensors computed from others."""

    def __init__(self, available: int, short: str, advice: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.left, self.message = available, f"{short} that are available; {advice}"

    def __torch_dispatch__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = function(*args, **(kwargs or {}))
        new = function is torch.ops.aten.clone.default or not any(isinstance(one, Tensor) for one in args)
        if new and isinstance(made, Tensor):
            self.left -= made.nbytes
            if self.left < 0:
                raise MemoryShortError(self.message)
        return made
