"""Download of one file over https, written atomically and checked by length and digest."""

from __future__ import annotations

import hashlib
import ipaddress
import logging
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from papergan.atomic_files import write_whole
from papergan.errors import DataError

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 30.0
_CHUNK_BYTES = 1 << 20
_MAX_BYTES = 8 << 30  # far above any data set here; an endless response must not fill the disk


def download(url: str, path: Path, *, sha256: str | None = None, max_bytes: int = _MAX_BYTES) -> None:
    """Fetch `url` into `path`, written aside and renamed when complete.

    sha256: hexadecimal, of the file behind `url`; None if unknown, in which case the caller must check the file.
    Raises DataError with the reason if the address, the connection, the length or the hash is not right.
    """
    check_address(url)
    logger.info("downloading %s to %s", url, path)
    try:
        write_whole(path, lambda file: _stream(url, file, sha256, max_bytes))
    except DataError:
        raise
    except (OSError, HTTPException, ValueError) as error:  # ValueError: a host that cannot be encoded
        raise DataError(f"{url} could not be downloaded to {path}: {error or type(error).__name__}") from error


def check_address(url: str) -> None:
    """Accept https addresses, and plain http to this machine only. Raises DataError for everything else."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise DataError(f"{url!r} is not an address: {error}") from error
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname and _is_this_machine(parts.hostname):
        return
    raise DataError(f"{url!r} is refused: only https:// addresses are downloaded from")


def _is_this_machine(host: str) -> bool:
    """True for a loopback address in digits; a name such as localhost could be made to resolve elsewhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _CheckedRedirects(HTTPRedirectHandler):
    """Follows redirects (the Hub answers with one to its storage), but never to an address that is not trusted."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> OpenerDirector:
    return build_opener(_CheckedRedirects)


def _stream(url: str, file: IO[bytes], sha256: str | None, max_bytes: int) -> None:
    """Copy the response into `file`, with a progress bar on a terminal, and check length and hash."""
    from tqdm import tqdm

    digest, received = hashlib.sha256(), 0
    with _opener().open(url, timeout=_TIMEOUT_SECONDS) as answer:
        expected = answer.length  # bytes still to come; None if not announced
        with tqdm(total=expected, unit="B", unit_scale=True, desc=Path(urlsplit(url).path).name, disable=None) as bar:
            while max(received, expected or 0) <= max_bytes and (chunk := answer.read(_CHUNK_BYTES)):
                digest.update(chunk)
                received += file.write(chunk)
                bar.update(len(chunk))
    if max(received, expected or 0) > max_bytes:
        raise DataError(f"the answer is larger than {max_bytes} bytes; this is not a file of this project")
    if expected is not None and received != expected:
        raise DataError(f"{url} broke off: {received} of {expected} bytes arrived; try again")
    if sha256 is not None and digest.hexdigest() != sha256:
        raise DataError(f"{url} is not the declared file: expected SHA-256 {sha256}, got {digest.hexdigest()}")
