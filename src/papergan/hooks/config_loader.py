"""The configuration loader: Kedro's, with one-line errors that name every file that cannot be read."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import click
from kedro.config import MissingConfigException, OmegaConfigLoader
from omegaconf import DictConfig, OmegaConf

from papergan.atomic_files import open_regular
from papergan.config.yaml_file import TEMPLATE
from papergan.errors import PaperganError, RecipeError
from papergan.messages import quoted
from papergan.validation import one_line_error

LARGEST = 16_000_000  # bytes of an archive; configuration is text
END = bytes(2 * tarfile.BLOCKSIZE)  # what a tar ends with; more zeros may follow
_UNPACKED: list[tempfile.TemporaryDirectory[str]] = []  # removed when the process ends
CONF_SOURCE = "papergan.conf_source"  # the key of what --conf-source was given, in `click.Context.meta`
REQUIRED = ("catalog", "mlflow", "parameters")  # Kedro continues without the other kinds


class ReadableConfigLoader(OmegaConfigLoader):
    """Kedro's OmegaConfigLoader that raises RecipeError, naming the file, instead of a parser's exception.

    conf_source may be an archive as well. `${conf_source:}` in the configuration is the folder that it is read from.
    """

    def __init__(self, conf_source: str | Path, *arguments: Any, **options: Any) -> None:
        super().__init__(folder_of(str(conf_source), options.get("base_env") or "base"), *arguments, **options)

    def __getitem__(self, key: str) -> dict[str, Any]:
        """The merged configuration of one kind, for example "parameters"."""
        # Before every reading, since resolvers belong to the process and there may be several loaders.
        OmegaConf.register_new_resolver("conf_source", Path(self.conf_source).absolute().as_posix, replace=True)
        try:
            _refuse_missing(self.runtime_params or {} if key == "parameters" else {})
            content: dict[str, Any] = super().__getitem__(key)
        except MissingConfigException as error:
            if key not in REQUIRED or not Path(self.conf_source, self.base_env).is_dir():
                raise
            raise RecipeError(f"{Path(self.conf_source, self.base_env)}: Kedro finds no {key} file in it") from error
        except PaperganError:
            raise
        except Exception as error:  # a parser that is given arbitrary text may raise anything
            if key not in self.config_patterns:
                raise
            if (known := _find_papergan_error(error)) is not None:
                raise known from error
            errors = [*self._unreadable()] or [*self._find_type_conflicts(key)]
            errors = errors or [f"{key} in {self.conf_source}: {one_line_error(error)}"]
            raise RecipeError("; ".join(errors)) from error
        if key == "parameters":  # in other kinds Kedro itself leaves templates out
            given = self.runtime_params or {}
            return {name: value for name, value in content.items() if name in given or not name.startswith(TEMPLATE)}
        return content

    @staticmethod
    def _soft_merge(config: dict[str, Any], env_config: dict[str, Any], env_path: str | None = None) -> dict[str, Any]:
        """The configuration with an environment's merged over it.

        Kedro's own method converts both to OmegaConf again, a third of the time of all reading. Raises ValueError where
        one has a list and the other one a mapping, as Kedro's does.
        """
        if conflicts := [*find_type_conflicts(config, env_config)]:
            raise ValueError("; ".join(conflicts))
        merged: dict[str, Any] = _merged(config, env_config)
        return merged

    def _files(self) -> Iterator[Path]:
        for folder in dict.fromkeys((self.base_env, self.env or self.default_run_env)):
            for path in sorted(Path(self.conf_source, folder).rglob("*")):
                if path.suffix in (".yml", ".yaml", ".json") and not path.is_dir():
                    yield path

    def _unreadable(self) -> Iterator[str]:
        found = {path: file_error(path) for path in self._files()}
        yield from (f"{path} cannot be read: {error}" for path, error in found.items() if error)

    def _find_type_conflicts(self, key: str) -> Iterator[str]:
        """Keys that are a list in one file, or in --params, and a mapping in another."""
        files = [path for path in self._files() if key in str(path)]
        contents: dict[str, Any] = {str(path): OmegaConf.to_container(OmegaConf.load(path)) for path in files}
        if key == "parameters":
            contents["--params"] = self.runtime_params
        for (_, base), (name, overlay) in combinations(contents.items(), 2):
            yield from (f"{name}: {conflict}" for conflict in find_type_conflicts(base, overlay))


def _merged(base: Any, overlay: Any) -> Any:
    """`base` with `overlay` merged into it; all but mappings are replaced, except by `???`, a missing value."""
    if not (isinstance(base, dict) and isinstance(overlay, dict)):
        return base if overlay == "???" else overlay
    return base | {key: _merged(base[key], value) if key in base else value for key, value in overlay.items()}


def _find_papergan_error(error: BaseException | None) -> PaperganError | None:
    """The PaperganError of a custom resolver, which OmegaConf wraps in an exception of its own."""
    while error is not None and not isinstance(error, PaperganError):
        error = error.__cause__ or error.__context__
    return error


def _refuse_missing(given: Any, place: str = "--params") -> None:
    """Raise RecipeError for `???` on the command line, which OmegaConf takes for a missing value."""
    if given == "???":
        raise RecipeError(f"{place}: '???' stands for a missing value; give one, or leave it out")
    for key, value in given.items() if isinstance(given, dict) else ():
        _refuse_missing(value, f"{place}, {key}" if place == "--params" else f"{place}.{key}")


def file_error(path: Path) -> str | None:
    """The reason why Kedro cannot read a configuration file; None if it can."""
    try:
        content = OmegaConf.load(path)
        if not isinstance(content, DictConfig):
            return "expected a mapping, got a list"
        if odd := [key for key in content if not isinstance(key, str)]:
            return f"expected names as keys, got {quoted(odd[0])}"
    except Exception as error:  # as above
        return one_line_error(error)
    return None


def find_type_conflicts(base: Any, overlay: Any, place: str = "") -> Iterator[str]:
    """Places where one of two trees has a list and the other one a mapping."""
    kinds: dict[type, str] = {dict: "a mapping", list: "a list"}
    if isinstance(base, dict) and isinstance(overlay, dict):
        for key in [key for key in overlay if key in base]:
            yield from find_type_conflicts(base[key], overlay[key], f"{place}.{key}".lstrip("."))
    elif type(base) in kinds and type(overlay) in kinds and type(base) is not type(overlay):
        yield f"{place}: expected {kinds[type(base)]}, got {kinds[type(overlay)]}"


def typed_conf_source() -> str | None:
    """What --conf-source was given on the command line; None if there is no command line, or it was not given."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(CONF_SOURCE)


def folder_of(conf_source: str, base: str) -> str:
    """The configuration folder that `--conf-source` refers to: itself, or the content of a .tar.gz.

    base: the name of the folder by which the configuration in an archive is found. An address is left to Kedro.
    Raises RecipeError for a file that is no such archive, that is too large, or that has no folder `base` in it.
    """
    path = Path(conf_source)
    if not path.is_file():
        return conf_source
    place = tempfile.TemporaryDirectory(prefix="papergan-")
    _UNPACKED.append(place)
    folder = Path(place.name, path.name.partition(".")[0])  # named, for errors; .tar.gz would be an archive to Kedro
    folder.mkdir(exist_ok=True)
    try:
        _unpack(path, folder)
    except (OSError, EOFError, ValueError, OverflowError, zlib.error, tarfile.TarError) as error:
        raise RecipeError(
            f"{path}: expected a folder of configuration or a .tar.gz of one, as `kedro package` writes: "
            f"{one_line_error(error)}"
        ) from error
    found = next((one for one in (folder, *sorted(folder.iterdir())) if (one / base).is_dir()), None)
    if found is None:
        raise RecipeError(f"{path}: there is no folder {base!r} of configuration in it")
    return str(found)


def _unpack(path: Path, folder: Path) -> None:
    """Write the files and folders of an archive into a folder; nothing else, and nothing outside of it.

    Written out here, since the filters of tarfile came with Python 3.11.4. Some files may exist when it raises.
    """
    content = _decompress(path)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        size = 0
        for member in archive:
            size += max(member.size, tarfile.BLOCKSIZE)  # a sparse file's size is not its number of bytes here
            if size > LARGEST:
                raise _too_large()
            place = (folder / member.name).resolve()
            if not place.is_relative_to(folder.resolve()):
                raise tarfile.TarError(f"{member.name!r} is outside of its folder")
            if member.isdir():
                place.mkdir(parents=True, exist_ok=True)
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(file.read())
        rest = content[archive.offset :]  # tarfile stops silently at a damaged header
    if not rest.startswith(END) or rest.strip(b"\0"):
        raise tarfile.TarError("it is damaged: it cannot be read to its end")


def _decompress(path: Path) -> bytes:
    """The tar in a .tar.gz, read to the end of the file, where gzip keeps its checksum and length."""
    with open_regular(path) as file, gzip.GzipFile(fileobj=file) as stream:
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise _too_large()
    return content


def _too_large() -> tarfile.TarError:
    return tarfile.TarError(f"it holds more than {LARGEST // 1_000_000} MB")
