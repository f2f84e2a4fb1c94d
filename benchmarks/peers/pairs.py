"""Compares our networks with a peer's of the same recipe: weights, FLOPs per image, and outputs for equal weights."""

from __future__ import annotations

from collections import Counter as Multiset
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from counting import Counter

PROBED = 4  # images in such a comparison
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
NOISE = 0.02  # deviation of the noise added to the peer's weights, so that none of them is zero


class Pair(NamedTuple):
    """Two networks and a function to run each, `run(network, *inputs)`, from the same inputs [B, ...] to tensors."""

    ours: nn.Module
    theirs: nn.Module
    inputs: tuple[Tensor, ...]
    run_ours: Callable[..., Tensor]
    run_theirs: Callable[..., Tensor]


def beside(pair: Pair) -> dict[str, Any]:
    """Of both: parameters, FLOPs per image of a forward pass, also by kind of layer, and shapes that only one side has.

    difference: between the outputs, in training mode, after ours received the peer's weights and the vectors of its
    spectral norms, relative to the largest output of the peer; None if the parameters cannot be matched one to one.
    """
    counted = {side: _counted(pair, side) for side in ("ours", "theirs")}
    shapes = {side: Multiset(map(_shape, getattr(pair, side).parameters())) for side in counted}
    return {
        "parameters": {side: sum(w.numel() for w in getattr(pair, side).parameters()) for side in counted},
        "flops": {side: sum(kinds.values()) for side, kinds in counted.items()},
        "kinds": counted,
        "only_ours": sorted((shapes["ours"] - shapes["theirs"]).elements()),
        "only_theirs": sorted((shapes["theirs"] - shapes["ours"]).elements()),
        "difference": _difference(pair) if shapes["ours"] == shapes["theirs"] else None,
    }


@torch.no_grad()
def _counted(pair: Pair, side: str) -> dict[str, float]:
    with Kinds() as counter:
        getattr(pair, f"run_{side}")(getattr(pair, side), *pair.inputs)
    return {kind: flops / len(pair.inputs[0]) for kind, flops in sorted(counter.kinds.items())}


class Kinds(Counter):
    """FLOPs by kind of operator: convolutions by their kernel size, products by their name."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: defaultdict[str, int] = defaultdict(int)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = self.flops
        result = super().__torch_dispatch__(func, types, args, kwargs)
        if self.flops > before:
            self.kinds[_kind(func, args)] += self.flops - before
        return result


def _kind(func: Any, args: Any) -> str:
    name: str = func._schema.name.removeprefix("aten::")
    if name != "convolution":
        return "linear" if name in ("addmm", "mm") else name
    _, weight, *_, transposed, _, groups = args
    extent = "x".join(map(str, weight.shape[2:]))
    return f"{'grouped ' if groups > 1 else ''}{'transposed ' if transposed else ''}{extent} convolution"


@torch.no_grad()
def _difference(pair: Pair) -> float | None:
    for weight in pair.theirs.parameters():
        weight.add_(torch.randn_like(weight), alpha=NOISE)
    matched = _matched(_in_use(pair, "ours"), _in_use(pair, "theirs"))
    needed = set(map(id, pair.ours.parameters()))
    if not needed <= {id(own) for own, _ in matched}:
        return None
    for own, other in matched:
        given = other.squeeze()
        own.copy_((given if given.shape == own.squeeze().shape else given.t()).reshape(own.shape))
    ours = pair.run_ours(pair.ours, *pair.inputs)
    theirs = pair.run_theirs(pair.theirs, *pair.inputs)
    return float((ours - theirs).abs().max() / theirs.abs().max())


def _in_use(pair: Pair, side: str) -> list[Tensor]:
    """Parameters, and buffers except statistics, in the order in which a forward pass uses them."""
    with _Noting(getattr(pair, side)) as noting:
        getattr(pair, f"run_{side}")(getattr(pair, side), *pair.inputs)
    return noting.seen


class _Noting(TorchDispatchMode):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        state = network.state_dict(keep_vars=True)
        self._left = {_place(held): held for name, held in state.items() if not name.endswith(STATISTICS)}
        self.seen: list[Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for value in tree_leaves((args, kwargs)):
            if isinstance(value, Tensor) and (held := self._left.pop(_place(value), None)) is not None:
                self.seen.append(held)
        return func(*args, **(kwargs or {}))


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _matched(ours: list[Tensor], theirs: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Pairs of tensors of one shape, in order: first those whose predecessors have one shape too, then the others."""
    found: list[tuple[Tensor, Tensor]] = []
    for with_last in (True, False):
        groups, others = _groups(ours, with_last), _groups(theirs, with_last)
        alike = [key for key in groups if len(groups[key]) == len(others.get(key, []))]
        new = [pair for key in alike for pair in zip(groups[key], others[key], strict=True)]
        found += new
        done = {id(tensor) for pair in new for tensor in pair}
        ours, theirs = ([t for t in side if id(t) not in done] for side in (ours, theirs))
    return found


def _groups(tensors: list[Tensor], with_last: bool) -> dict[Any, list[Tensor]]:
    groups: defaultdict[Any, list[Tensor]] = defaultdict(list)
    last: Any = None
    for tensor in tensors:
        groups[_shape(tensor), last if with_last else None].append(tensor)
        last = _shape(tensor)
    return groups


def _shape(tensor: Tensor) -> tuple[int, ...]:
    """The shape without ones, sorted by size, so that a transposed weight has the same."""
    return tuple(sorted(size for size in tensor.shape if size > 1))
