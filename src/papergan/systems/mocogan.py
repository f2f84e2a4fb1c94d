"""MoCoGAN: video clips from codes of content and motion. Tulyakov, Liu, Yang and Kautz 2018, arXiv:1707.04993.

An image generator makes each frame from the clip's content code and the frame's motion code, the state of a GRU over
noise; one discriminator sees a single frame of a clip, another the whole clip (section 3).
From the authors' code (sergeytulyakov/mocogan, train.py, trainers.py, models.py): content 50, motion 10, 6 categories;
the GRU's first state ~ N(0, I), drawn with the rest of the latent; the networks, PatchImageDiscriminator and
CategoricalVideoDiscriminator; binary cross-entropy; Adam 2e-4 (0.5, 0.999) with weight decay 1e-5 for all networks.
From memory, not verified: noise of standard deviation 0.1 before the discriminators' convolutions (the code's own
default is none) and batches of 32 clips and 32 images (the code's own defaults are 3 and 10), from the authors'
instructions; and the statements about the paper below.
The paper contradicts its code on two points. The category is an input of the GRU in the paper and of the image
generator in the code; the code is followed. The bound on the category's mutual information is maximised by generator
and discriminator in the paper, as in InfoGAN; this is followed. In the code only the generator maximises it, and the
discriminator learns categories only from labels, here with labels: category.
Deviations: the image discriminator sees one frame of each clip that the video discriminator sees, real and generated,
and both learn from the same generated clips in one optimiser step; the code draws frames of other clips, and takes a
step for each. Image sizes other than 64 have more or fewer stages, see `ClipDiscriminator`. Taking every second frame
of longer videos is left to the data.
Deterministic on a GPU: torch has deterministic kernels for convolutions, transposed and 3-D convolutions, batch norm,
matrix products and gathering.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from papergan.data.images import ImageSpec
from papergan.game.game import Game, Match, Player, Turn
from papergan.game.optimisers import adam
from papergan.game.priors import WithChoice
from papergan.game.terms import DiscriminatorLoss, GeneratorLoss, Term
from papergan.networks.video.mocogan import ClipDiscriminator, FrameDiscriminator, MoCoGANGenerator
from papergan.objectives.adversarial import NonSaturating
from papergan.objectives.class_loss import FakeClassLoss, RealClassLoss
from papergan.objectives.clips import ClipLatents, ClipLayout, OneFrame
from papergan.objectives.mutual_information import CategoricalInformation

TRAITS = frozenset({"needs_clips"})


def build(
    images: ImageSpec,
    *,
    content_dim: Annotated[int, Field(ge=1)] = 50,
    motion_dim: Annotated[int, Field(ge=1)] = 10,
    categories: Annotated[int, Field(ge=0)] = 6,
    labels: Literal["none", "category"] = "none",
    width: Annotated[int, Field(ge=4)] = 64,
    discriminator_width: Annotated[int, Field(ge=4)] = 64,
    noise: Annotated[float, Field(ge=0.0)] = 0.1,
    category_weight: Annotated[float, Field(ge=0.0)] = 1.0,
    learning_rate: Annotated[float, Field(gt=0.0)] = 2e-4,
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5,
    weight_decay: Annotated[float, Field(ge=0.0)] = 1e-5,
) -> Game:
    """Build the game.

    content_dim, motion_dim: sizes of the content code, and of the motion code of a frame. categories: of a code that is
    learned without labels; 0 = none. labels: category = the code is the class, and `categories` is not used: the clip
    discriminator learns classes from real clips, the generator from its class predictions on generated ones.
    category_weight: of the code's mutual information, or of the class loss. noise: in both discriminators.
    weight_decay: of all networks.
    """
    if images.frames < 2:
        raise ValueError(
            f"it makes clips of 2 frames or more, and these are single images of {images.channels} channels; name a "
            "data set of clips"
        )
    if categories == 1:
        raise ValueError("categories: a code of 1 category says nothing; give 0 for none, or 2 or more")
    labelled = labels == "category"
    layout = ClipLayout(content_dim, motion_dim, images.frames, 0 if labelled else categories)
    latents, read = ClipLatents(layout), images.num_classes if labelled else categories
    clip = Match()
    frame = Match(discriminator="frame_discriminator", discriminator_input=OneFrame(images.frames))
    loss = NonSaturating()
    of_discriminator: tuple[Term, ...] = ()
    of_generator: tuple[Term, ...] = ()
    if labelled:
        of_discriminator, of_generator = (
            (RealClassLoss(weight=category_weight),),
            (FakeClassLoss(weight=category_weight),),
        )
    elif categories:
        of_discriminator = of_generator = (CategoricalInformation(weight=category_weight),)
    optimiser = adam(learning_rate, (beta1, 0.999), weight_decay=weight_decay)
    return Game(
        networks=nn.ModuleDict(
            {
                "prior": WithChoice(latents, images.num_classes) if labelled else latents,
                "generator": MoCoGANGenerator(images, layout, width, labelled=labelled),
                "discriminator": ClipDiscriminator(images, discriminator_width, categories=read, noise=noise),
                "frame_discriminator": FrameDiscriminator(images.frame, discriminator_width, noise=noise),
            }
        ),
        players={
            "discriminator": Player(("discriminator", "frame_discriminator"), optimiser),
            "generator": Player(("generator",), optimiser),
        },
        turns=(
            Turn(
                "discriminator", (*(DiscriminatorLoss(loss, match=one) for one in (clip, frame)), *of_discriminator)
            ),
            Turn("generator", (*(GeneratorLoss(loss, match=one) for one in (clip, frame)), *of_generator)),
        ),
        showcase=clip,
    )  # fmt: skip
