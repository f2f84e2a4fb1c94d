"""Functions of modules that are imported when needed: `kedro registry list` names all nodes, and waits for no torch."""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from inspect import Parameter, Signature
from types import FunctionType
from typing import Any


class LateFunction:
    """Stands for a function whose module is imported when more than its name is needed.

    It is a function for whoever asks, and what is read of it is the function's own: Kedro reads annotations, Kedro-Viz
    shows the source. Only the number of its inputs is not checked while a pipeline is put together; a test does that.
    """

    __signature__ = Signature([Parameter("inputs", Parameter.VAR_POSITIONAL)])

    def __init__(self, module: str, name: str) -> None:
        self.__module__, self.__name__, self.__qualname__ = module, name, name

    @cached_property
    def __wrapped__(self) -> FunctionType:
        function: FunctionType = getattr(import_module(self.__module__), self.__name__)
        return function

    @property  # type: ignore[misc]  # `object` lets it be written
    def __class__(self) -> type:  # type: ignore[override]
        return FunctionType  # what `inspect.isfunction` goes by

    def __call__(self, *inputs: Any) -> Any:
        return self.__wrapped__(*inputs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)


class LateModule:
    """`LateModule("package.module").function` for `package.module.function`; nothing is imported yet."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> LateFunction:
        return LateFunction(self._name, name)
