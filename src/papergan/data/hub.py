"""Data sets of the Hugging Face Hub, by its own client: the parquet files that the Hub keeps of every data set."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from papergan.data.own_declaration import HUB
from papergan.errors import DataError
from papergan.messages import quiet_libraries, quoted, sanitise

logger = logging.getLogger(__name__)

REVISION = "refs/convert/parquet"  # where the Hub keeps them, CONFIGURATION/SPLIT/0000.parquet
_NAME = r"[A-Za-z0-9][\w.-]*"
_ADDRESS = re.compile(rf"{HUB}({_NAME}/{_NAME})(?:/({_NAME}))?")
_INSTALL = "needs the package huggingface_hub; install papergan[hub]"


def hub_files(address: str) -> list[Path]:
    """The files of the split `train`, downloaded or from the client's own cache, in order.

    address: "hf://datasets/ORGANISATION/NAME", or with "/CONFIGURATION" where the data set has several. Raises
    DataError where the client is not installed, the Hub cannot be reached, or has no such data set.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise DataError(f"{quoted(address)} is no data set of the Hub: write {HUB}ORGANISATION/NAME")
    try:
        from huggingface_hub import HfApi, snapshot_download
    except ImportError as error:
        raise DataError(f"{address} {_INSTALL}") from error
    repository, configuration = found.groups()
    try:
        logger.info("%s: downloading what is not there yet", address)
        with quiet_libraries("huggingface_hub", "httpx"):
            names = HfApi().list_repo_files(repository, repo_type="dataset", revision=REVISION)
        chosen = _train_files(address, names, configuration)
        folder = snapshot_download(repository, repo_type="dataset", revision=REVISION, allow_patterns=chosen)
    except DataError:
        raise
    except Exception as error:  # the client raises many types; each means the same here
        raise DataError(f"{address} cannot be had from the Hub: {sanitise(error).strip()}") from error
    return [Path(folder, name) for name in chosen]


def _train_files(address: str, names: list[str], configuration: str | None) -> list[str]:
    files = sorted(name for name in names if re.fullmatch(r"[^/]+/train/[^/]+\.parquet", name))
    known = sorted({name.split("/")[0] for name in files})
    if not known:
        raise DataError(f"{address} has no split 'train' in parquet files on the Hub; download it, and give the folder")
    chosen = configuration or ("default" if "default" in known else known[0] if len(known) == 1 else None)
    if chosen not in known:
        what = "several configurations" if configuration is None else f"no configuration {quoted(configuration)}"
        raise DataError(f"{address} has {what}: write {HUB}ORGANISATION/NAME/ and one of {', '.join(known)}")
    return [name for name in files if name.startswith(f"{chosen}/")]
