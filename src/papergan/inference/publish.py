"""Publishing a model folder to the Hugging Face Hub: preview and upload."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from papergan.atomic_files import read_regular, sha256_of
from papergan.errors import PaperganError, RecipeError
from papergan.inference.cards import card_of
from papergan.inference.locate import configuration_errors, locate
from papergan.inference.model_folder import CARD, PICTURE, StoredModel, read_model, refuse_diverged, write_model
from papergan.messages import first_line, on_one_line, quoted
from papergan.reporting.published_results import PublishedRow

HEAD = 30  # lines of the card that are shown
NAME = r"hf://([A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})"


class PublishError(PaperganError):
    """The Hub cannot be reached, there is no valid login, or the upload is rejected."""


@dataclass(frozen=True)
class PublishedFile:
    """One file of a publication. size: bytes. digest: SHA-256."""

    name: str
    size: int
    digest: str


@dataclass(frozen=True)
class Publication:
    """The files for the Hub. link: of the commit; None if nothing was sent."""

    to: str
    files: tuple[PublishedFile, ...]
    card: str
    link: str | None = None

    def __str__(self) -> str:
        done = f"sent to {self.to}: {self.link}" if self.link else f"nothing was sent; {self.to} would get:"
        files = (f"  {one.name:<20} {one.size:>12,} bytes  sha256 {one.digest}" for one in self.files)
        head = (f"  | {on_one_line(line)}".rstrip() for line in self.card.splitlines()[:HEAD])
        return "\n".join([done, *files, f"  {CARD} begins:", *head])


def publish(
    folder: str | Path, to: str, *, dry_run: bool = True, private: bool = False,
    published: Sequence[PublishedRow] = (),
) -> Publication:  # fmt: skip
    """Send a model to the Hub, or with `dry_run` show what would be sent.

    folder: any source that `papergan.load` takes; the model is verified first. Its weights, configuration, card and a
    picture `samples.png` are sent, no other file. A model without a card gets one, with these published numbers.
    to: "hf://ORGANISATION/NAME", created if it does not exist; private: in that case, visible only to the organisation.
    The token is the one of `hf auth login`.
    Raises RecipeError for an invalid name or a missing package, CheckpointError for a damaged model, or one whose
    training diverged, PublishError if the Hub rejects the upload.
    """
    found = re.fullmatch(NAME, to)
    if found is None:
        raise RecipeError(f"expected hf://ORGANISATION/NAME, got {quoted(to)}")
    place = locate(folder)
    model = read_model(place)
    picture = model.picture
    if not picture and place.is_dir() and (place / PICTURE).is_file():
        picture = read_regular(place / PICTURE)
    refuse_diverged(model.config)
    with configuration_errors():
        card = model.card or card_of(model.config, published, picture=bool(picture), place=to)
    card = re.sub(r'(?m)^g = papergan\.load\(".*"\)$', lambda _: f'g = papergan.load("{to}")', card)  # was a path here
    with TemporaryDirectory(prefix="papergan-") as made:
        staged = Path(made)
        write_model(staged, replace(model, card=card, picture=picture))
        files = tuple(
            PublishedFile(path.name, path.stat().st_size, sha256_of(path)) for path in sorted(staged.iterdir())
        )
        link = None if dry_run else _send(staged, found[1], private, model)
    return Publication(to, files, card, link)


def _send(folder: Path, name: str, private: bool, model: StoredModel) -> str:
    """Send every file of a folder; returns the link of the commit."""
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise RecipeError("publishing needs huggingface_hub: pip install 'papergan[hub]'") from None
    digest = str(model.config["digest"])[:16]
    try:
        api = HfApi()
        api.create_repo(name, private=private, exist_ok=True)
        sent = api.upload_folder(repo_id=name, folder_path=folder, commit_message=f"Model {digest}")
    except Exception as error:  # the library raises its own exceptions, those of its client, and of the file system
        raise PublishError(_why(name, error)) from error
    return str(sent.commit_url)


def _why(name: str, error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403) or type(error).__name__ == "LocalTokenNotFoundError":
        return f"hf://{name}: not logged in, or not allowed to write there; run `hf auth login` with such a token"
    return f"hf://{name}: the Hub could not take it ({first_line(error)}); what was sent before may be there"
