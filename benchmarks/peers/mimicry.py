"""mimicry (github.com/kwotsin/mimicry): its networks for 32x32 images, trained by its `Trainer`.

Unchanged: `Trainer.train`, the networks with their `train_step`, `load_dataset` with its transforms, Adam as in its
examples. Replaced at run time: torchvision's CIFAR10 returns the pixels of this comparison; tensorboard and the
packages of its metrics, if not installed, are modules that do nothing (so its logging costs it less than it would);
nothing that runs here needs the names that numpy and torch have removed.

--network dcgan (its usual one here; residual networks without normalisation in the discriminator, non-saturating loss)
or sngan (with spectral normalisation and hinge loss). --width: of generator and discriminator; its own are 256 and 128.
Its generator's move computes unused gradients of the discriminator's weights.
"""

from __future__ import annotations

import importlib
import sys

import torch
from standins import serve, stand_in_for
from torch.utils.data import DataLoader
from work import Asked, Sides, Wrapped, adam, over_theirs

from papergan.errors import RecipeError
from papergan.objectives.adversarial import Hinge, NonSaturating

RATE, BETAS = 2e-4, (0.0, 0.9)
NETWORKS = {
    "dcgan": ("DCGANGenerator32", "DCGANDiscriminator32", NonSaturating()),
    "sngan": ("SNGANGenerator32", "SNGANDiscriminator32", Hinge()),
}
UNUSED = (
    "tensorflow", "tensorflow.compat", "tensorflow.compat.v1", "skimage", "skimage.io", "skimage.transform",
    "torch.utils.tensorboard",
)  # fmt: skip


def sides(asked: Asked) -> Sides:
    """Both sides with its networks. discriminator_steps: 5 by default. Raises RecipeError if the folder has none."""
    name = asked.network or "dcgan"
    if name not in NETWORKS:
        raise RecipeError(f"--network of mimicry must be one of {', '.join(NETWORKS)}, got {name!r}")
    missing = stand_in_for(UNUSED)
    sys.path.insert(0, str(asked.path))
    serve(asked.pixels, "CIFAR10")
    try:
        networks = importlib.import_module(f"torch_mimicry.nets.{name}.{name}_32")
        trainer = importlib.import_module("torch_mimicry.training.trainer").Trainer
        load_dataset = importlib.import_module("torch_mimicry.datasets.data_utils").load_dataset
    except ImportError as error:
        raise RecipeError(f"{asked.path} holds no mimicry that can be imported: {error}; see README.md") from error
    generator_kind, discriminator_kind, loss = NETWORKS[name]
    widths = ({}, {}) if asked.width is None else ({"ngf": asked.width}, {"ndf": asked.width})
    generator = getattr(networks, generator_kind)(**widths[0]).to(asked.device)
    discriminator = getattr(networks, discriminator_kind)(**widths[1]).to(asked.device)
    moves = asked.discriminator_steps or 5

    def peer() -> None:
        data = load_dataset(root=str(asked.folder), name="cifar10")
        trainer(
            netD=discriminator, netG=generator,
            optD=torch.optim.Adam(discriminator.parameters(), RATE, betas=BETAS),
            optG=torch.optim.Adam(generator.parameters(), RATE, betas=BETAS),
            dataloader=DataLoader(data, batch_size=asked.batch, shuffle=True, num_workers=asked.workers),
            num_steps=10**9, n_dis=moves, log_dir=str(asked.folder / "peer"), device=asked.device,
        ).train()  # fmt: skip

    judge = Wrapped(discriminator, discriminator)
    return Sides(
        over_theirs(generator, judge, generator.nz, loss, adam(RATE, BETAS), moves), peer, moves,
        facts={"network": name, "stand-ins": missing},
    )  # fmt: skip
