"""The Optuna study of a sweep, as the journal file that Optuna's own tools read."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from papergan.atomic_files import DOCUMENT_BYTES
from papergan.datasets.atomic_file import AtomicFileDataset, read_bytes
from papergan.errors import EvaluationError
from papergan.messages import sanitise

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import JournalStorage


class OptunaStudyDataset(AtomicFileDataset["Study"]):
    """An Optuna study with its finished trials, as a journal: lines of JSON. It is loaded into memory.

    `optuna.load_study(study_name=None, storage=JournalStorage(JournalFileBackend(PATH)))` and optuna-dashboard read it.
    Raises EvaluationError for a file that is not one.
    """

    most = DOCUMENT_BYTES

    def _encode(self, data: Study) -> bytes:
        import optuna

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "journal"
            written = optuna.create_study(storage=_journal(path), study_name=data.study_name, direction=data.direction)
            written.add_trials([trial for trial in data.get_trials(deepcopy=False) if trial.state.is_finished()])
            return read_bytes(path, self.most)

    def _decode(self, content: bytes, path: Path) -> Study:
        import optuna

        try:
            if not content.endswith(b"\n"):
                raise ValueError("its last line is incomplete")
            with tempfile.TemporaryDirectory() as folder:
                (copy := Path(folder) / "journal").write_bytes(content)
                read = optuna.load_study(study_name=None, storage=_journal(copy))
                study = optuna.create_study(study_name=read.study_name, direction=read.direction)
                study.add_trials(read.get_trials(deepcopy=False))
                return study
        except Exception as error:  # Optuna's reader raises a dozen types on garbage; each means the same here
            raise EvaluationError(
                f"{path} is not a journal of Optuna ({sanitise(error)}); run the sweep again"
            ) from error


def _journal(path: Path) -> JournalStorage:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # one line for every study that is made
    return optuna.storages.JournalStorage(JournalFileBackend(str(path)))
