"""A step never waits for the device: on one that has no numbers at all, nothing can be read, and nothing is sent."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from helpers.small_systems import critic_moves, each_system, pixels_of_inputs, small, spec
from helpers.tiny_game import TinyDiscriminator, tiny_game
from papergan import systems
from papergan.game.game import Game
from papergan.training.batches import Batches
from papergan.training.callbacks import Callbacks
from papergan.training.checkpoint import CheckpointStore
from papergan.training.train_settings import TrainSettings
from papergan.training.trainer import Trainer

AUTOCAST = torch.autocast


class NothingIsSent(TorchDispatchMode):
    """Fails where a tensor of the host takes part, which a GPU would have to wait for; `meta` is the device here.

    What reads a value, or has a shape that depends on values, fails by itself: a meta tensor has none.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._fused_adam_.tensor_lr:  # which torch cannot do on `meta`
            result = torch.ops.aten._fused_adam_.default(*args, **{**kwargs, "lr": 0.0})
        elif func is torch.ops.aten._fused_sgd_.default:  # nor this; it changes its arguments and returns nothing
            result = None
        else:
            result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves((args, kwargs, result)):
            if isinstance(tensor, Tensor) and tensor.device.type != "meta":
                raise AssertionError(f"{func} moves a tensor of the host")
        if func is torch.ops.aten.lift_fresh.default:
            raise AssertionError("a number of the host becomes a tensor; fill one on the device instead")
        return result


@pytest.fixture(autouse=True)
def _meta_is_a_gpu(monkeypatch):
    """Checks of torch that only look at the device's name."""
    monkeypatch.setattr(torch, "autocast", lambda device, **how: AUTOCAST("cpu", **how))
    for optimiser in ("torch.optim.adam", "torch.optim.sgd"):
        monkeypatch.setattr(sys.modules[optimiser], "_device_dtype_check_for_fused", lambda *given, **named: None)
    capturable = sys.modules["torch.optim.rmsprop"]._get_capturable_supported_devices
    monkeypatch.setattr(
        sys.modules["torch.optim.rmsprop"], "_get_capturable_supported_devices", lambda *given: ["meta", *capturable()]
    )


def on_meta(game: Game) -> Game:
    """On a device without numbers. Weights become other ones there, so that optimisers must be told."""
    game.to("meta")
    for name, player in game.players.items():
        weights = [weight for network in player.networks for weight in game.networks[network].parameters()]
        group = game.optimisers[name].param_groups[0]
        group["params"] = weights
        if "capturable" in group and not group.get("fused"):  # as `Game.to` does for a GPU
            group["capturable"] = True
    return game


def training(
    game: Game,
    folder: Path,
    precision: str = "float32",
    shape: tuple[int, ...] = (3, 16, 16),
    inputs: Tensor | None = None,
) -> Trainer:
    pixels, labels = torch.zeros(16, *shape, dtype=torch.uint8), torch.zeros(16, dtype=torch.int64)
    batches = Batches(pixels, labels, batch_size=4, seed=0, device="meta", flip=True, inputs=inputs)
    batches.at(0)  # once per epoch the order is made on the host and moved
    settings = TrainSettings(steps=2, precision=precision)
    return Trainer(on_meta(game), batches, settings, CheckpointStore(folder, "meta"), Callbacks())


@pytest.mark.parametrize("name", each_system())
def test_a_step_neither_reads_the_device_nor_sends_to_it(name, tmp_path):
    settings = small(name) | critic_moves(name, 1)
    images = spec(name, size=16)
    run = training(systems.build(name, images, settings, seed=0), tmp_path, inputs=pixels_of_inputs(images, 16))
    with NothingIsSent():
        run._run_step()  # the first, in which every lazy turn is taken
    assert run.step == 1


def reads(images: Tensor) -> Tensor:
    return images * float(images.mean())


def asks(images: Tensor) -> Tensor:
    return images + 1 if images.sum() > 0 else images


def selects(images: Tensor) -> Tensor:
    return images + images[images > 0].mean()


def sends(images: Tensor) -> Tensor:
    return images * torch.ones(()).to(images.device)


def makes(images: Tensor) -> Tensor:
    return images * torch.tensor(2.0, device=images.device)


def takes_back(images: Tensor) -> Tensor:
    return images * images.cpu().mean().to(images.device)


@pytest.mark.parametrize("fault", [reads, asks, selects, sends, makes, takes_back])
def test_what_would_wait_is_noticed(fault, tmp_path):
    class Waits(TinyDiscriminator):
        def forward(self, images):
            return super().forward(fault(images))

    fine, waiting = (
        training(tiny_game(discriminator=one()), tmp_path, shape=(1, 4, 4)) for one in (TinyDiscriminator, Waits)
    )
    with NothingIsSent():
        fine._run_step()
        fine._run_step()
        with pytest.raises((AssertionError, RuntimeError, NotImplementedError)):
            waiting._run_step()
