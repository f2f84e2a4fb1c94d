"""Channel pruning: the most important channels of a trained network, as the weights of a narrower one of its kind.

Li et al. 2017 (arXiv:1608.08710): in each layer the filters with the largest L1 norm are kept. Channels that are added
or follow from one another are kept or removed together; they are found by sending NaN through the network, channel by
channel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from papergan.errors import RecipeError
from papergan.messages import quoted
from papergan.networks.layers.blocks import SelfAttention

Channel = tuple[str, int]  # the name of a layer, and the number of one of its output channels
Layer = nn.Conv2d | nn.ConvTranspose2d | nn.Linear
OUTPUT_AXIS = {nn.Conv2d: 0, nn.Linear: 0, nn.ConvTranspose2d: 1}
PROBED_AT_ONCE = 256  # channels, one per image of a batch


@torch.no_grad()
def narrowed(wide: nn.Module, narrow: nn.Module, arguments: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """The `state_dict` for `narrow` of those channels of `wide` whose filters have the largest L1 norms.

    wide, narrow: the same network in two widths, in evaluation mode; the first channels of latents and all channels of
    images stay. arguments: of `wide`, one row each, float32 [1, ...], finite.
    Raises RecipeError if channels are mixed by more than convolutions, products, additions and BatchNorm, or if
    `narrow` is not a narrower network of the same layers.
    """
    layers, target = _layers(wide), dict(narrow.named_modules())
    links = _linked(wide, layers, arguments)
    kept = _kept(layers, target, links)
    state = dict(wide.state_dict())
    for name, layer in layers.items():
        outputs, inputs = kept.outputs[name], kept.inputs[name]
        axis = OUTPUT_AXIS[type(layer)]
        state[f"{name}.weight"] = layer.weight.index_select(axis, outputs).index_select(1 - axis, inputs)
        if layer.bias is not None:
            state[f"{name}.bias"] = layer.bias[outputs]
    for name, norm in _norms(wide).items():
        for part, values in norm.state_dict().items():
            state[f"{name}.{part}"] = values if values.dim() == 0 else values[kept.inputs[name]]
    wanted = {name: tensor.shape for name, tensor in narrow.state_dict().items()}
    if wrong := [name for name, shape in wanted.items() if name not in state or state[name].shape != shape]:
        raise RecipeError(
            f"{quoted(wrong[0])} is not a narrower layer of the same network: its channels cannot be pruned"
        )
    return {name: state[name].contiguous() for name in wanted}


@dataclass
class _Links:
    """Which channels belong together. classes: sets of tied ones. read: the class of each input channel, by layer.

    fixed: classes that reach the network's output.
    """

    classes: list[set[Channel]] = field(default_factory=list)
    read: dict[str, list[int | None]] = field(default_factory=dict)
    fixed: set[int] = field(default_factory=set)


@dataclass
class _Kept:
    """Numbers of the channels that stay, by layer."""

    outputs: dict[str, Tensor] = field(default_factory=dict)
    inputs: dict[str, Tensor] = field(default_factory=dict)


def _layers(network: nn.Module) -> dict[str, Layer]:
    """Every convolution and linear layer by name.

    Raises RecipeError for grouped ones and for ones other than torch's own, whose weights are scaled or normalised.
    """
    found = {name: module for name, module in network.named_modules() if isinstance(module, Layer)}
    for name, layer in found.items():
        if type(layer) not in OUTPUT_AXIS or getattr(layer, "groups", 1) != 1:
            kind = "grouped" if type(layer) in OUTPUT_AXIS else f"a {type(layer).__name__}"
            raise RecipeError(f"layer {quoted(name)} is {kind}: only channels of plain convolutions and linear layers "
                              "can be pruned")  # fmt: skip
    return found


def _norms(network: nn.Module) -> dict[str, nn.Module]:
    return {name: m for name, m in network.named_modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)}


def _linked(network: nn.Module, layers: dict[str, Layer], arguments: tuple[Tensor, ...]) -> _Links:
    """Send NaN through the network from each output channel of each layer, and record where it arrives."""
    reached: dict[str, dict[Channel, Tensor]] = defaultdict(dict)  # by layer that is arrived at: bool [its inputs]
    ends: set[Channel] = set()
    pairs = {name: other for one in _attention(network) for name, other in (one, one[::-1])}
    for name, layer in layers.items():
        if name in pairs:
            continue
        for channels in torch.split(torch.arange(_outputs(layer)), PROBED_AT_ONCE):
            repeated = tuple(part.expand(len(channels), *part.shape[1:]) for part in arguments)
            with _probe(network, name, channels, layers) as arrivals:
                images = network(*repeated)
            ends |= {(name, int(c)) for c, hit in zip(channels, images.isnan().flatten(1).any(1), strict=True) if hit}
            for place, hits in arrivals.items():
                reached[place] |= {(name, int(c)): hit for c, hit in zip(channels, hits, strict=True) if hit.any()}
    return _classes(network, layers, reached, ends, pairs)


@contextmanager
def _probe(
    network: nn.Module, source: str, channels: Tensor, layers: Iterable[str]
) -> Iterator[dict[str, Tensor]]:  # fmt: skip
    """Row b of the batch has NaN in output channel channels[b] of `source`. Yields arrivals, bool [B, inputs]."""
    arrivals: dict[str, Tensor] = {}
    rows = torch.arange(len(channels))

    def plant(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        planted = output.clone()
        planted[rows, channels] = torch.nan
        return planted

    def look(name: str, stops: bool) -> object:
        def before(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            found = inputs[0].isnan()
            hits = found.flatten(2).any(2) if found.dim() > 2 else found
            arrivals[name] = arrivals[name] | hits if name in arrivals else hits
            return (inputs[0].masked_fill(found, 0.0), *inputs[1:]) if stops else inputs

        return before

    modules, norms = dict(network.named_modules()), _norms(network)
    with ExitStack() as hooks:
        for name in [*layers, *norms]:
            hook = look(name, name not in norms)
            hooks.enter_context(modules[name].register_forward_pre_hook(hook))  # type: ignore[arg-type]
        hooks.enter_context(modules[source].register_forward_hook(plant))  # type: ignore[arg-type]
        yield arrivals


def _attention(network: nn.Module) -> list[tuple[str, str]]:
    """The two layers of each self-attention whose channels are multiplied with one another."""
    places = [name for name, module in network.named_modules() if isinstance(module, SelfAttention)]
    return [(f"{place}.theta", f"{place}.phi") for place in places]


def _classes(
    network: nn.Module, layers: dict[str, Layer],
    reached: dict[str, dict[Channel, Tensor]], ends: set[Channel], pairs: dict[str, str],
) -> _Links:  # fmt: skip
    """Tie the channels that arrive at the same input channel, and number the classes of tied ones."""
    parent: dict[Channel, Channel] = {(n, c): (n, c) for n, layer in layers.items() for c in range(_outputs(layer))}

    def root(channel: Channel) -> Channel:
        while parent[channel] != channel:
            parent[channel] = channel = parent[parent[channel]]
        return channel

    arrived: dict[tuple[str, int], list[Channel]] = defaultdict(list)
    for place, sources in reached.items():
        for source, hits in sources.items():
            for channel in hits.nonzero().flatten().tolist():
                arrived[place, channel].append(source)
    tied = [*arrived.values(), *([(a, c), (b, c)] for a, b in pairs.items() for c in range(_outputs(layers[a])))]
    for first, *others in tied:
        for other in others:
            parent[root(other)] = root(first)
    numbers: dict[Channel, int] = {}
    links = _Links()
    for channel in parent:
        number = numbers.setdefault(root(channel), len(numbers))
        if number == len(links.classes):
            links.classes.append(set())
        links.classes[number].add(channel)
        if channel in ends:
            links.fixed.add(number)
    for name, layer in [*layers.items(), *_norms(network).items()]:
        found = (arrived.get((name, c)) for c in range(_inputs(layer)))
        links.read[name] = [numbers[root(one[0])] if one else None for one in found]
    return links


def _kept(layers: dict[str, Layer], target: dict[str, nn.Module], links: _Links) -> _Kept:
    """The most important classes of each group of layers that share classes, as many as the narrow network has."""
    kept, staying = _Kept(), set[int]()
    for names in _groups(layers, links):
        members = [n for n, channels in enumerate(links.classes) if next(iter(channels))[0] in names]
        name = min(names)
        wanted = round(_outputs(_like(target, name, layers[name])) * len(members) / _outputs(layers[name]))
        norms = {n: sum(float(norm) for norm in _norms_of(layers, links.classes[n])) for n in members}
        strongest = sorted(members, key=lambda n: norms[n], reverse=True)[:wanted]
        staying |= set(members) if links.fixed & set(members) else set(strongest)
    mine = {channel: number for number, channels in enumerate(links.classes) for channel in channels}
    for name, layer in layers.items():
        outputs = [c for c in range(_outputs(layer)) if mine[name, c] in staying]
        kept.outputs[name] = torch.tensor(outputs, dtype=torch.int64)
    for name, read in links.read.items():
        inputs = [c for c, number in enumerate(read) if number is None or number in staying]
        kept.inputs[name] = torch.tensor(inputs, dtype=torch.int64)
    return kept


def _groups(layers: Iterable[str], links: _Links) -> list[set[str]]:
    """Groups of layers whose output channels are tied with one another."""
    groups: list[set[str]] = [{name} for name in layers]
    for channels in links.classes:
        names = {name for name, _ in channels}
        touched = [group for group in groups if group & names]
        groups = [group for group in groups if not group & names] + [set().union(*touched)]
    return groups


def _norms_of(layers: dict[str, Layer], channels: Iterable[Channel]) -> Iterator[Tensor]:
    """L1 norms of the filters of these channels, per weight of a filter."""
    for name, channel in channels:
        yield layers[name].weight.select(OUTPUT_AXIS[type(layers[name])], channel).abs().mean()


def _like(target: dict[str, nn.Module], name: str, layer: nn.Module) -> nn.Module:
    if type(target.get(name)) is not type(layer):
        raise RecipeError(f"the narrower network has no layer {quoted(name)} of this kind: channels cannot be pruned")
    return target[name]


def _outputs(layer: nn.Module) -> int:
    return int(layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels)  # type: ignore[arg-type]


def _inputs(layer: nn.Module) -> int:
    if isinstance(layer, nn.modules.batchnorm._BatchNorm):
        return layer.num_features
    return int(layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels)  # type: ignore[arg-type]
