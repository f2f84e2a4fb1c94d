"""Removal of what was planned, piece by piece, each looked at again right before."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from stat import S_ISDIR

from papergan.maintenance.locked_experiments import holding
from papergan.maintenance.scan import Piece, Removal


def remove(removals: Iterable[Removal]) -> tuple[list[Removal], list[str]]:
    """What was removed, and a line for everything that was not. Nothing is removed that has changed since it was found.

    A kill in between leaves whole files, or pieces that the next plan has again.
    """
    done: list[Removal] = []
    faults: list[str] = []
    for removal in removals:
        gone: list[Piece] = []
        try:
            with nullcontext() if removal.lock is None else holding(removal.lock):
                for piece in removal.pieces:
                    _check(piece)
                for piece in removal.pieces:
                    _remove(piece)
                    gone.append(piece)
        except BlockingIOError:
            faults.append(f"{removal.lock}: held by another process, which trains this recipe; left alone")
        except OSError as error:
            left = removal.pieces[len(gone)].path
            faults.append(f"{left}: not removed ({error.strerror or error})")
        if gone:
            done.append(replace(removal, pieces=tuple(gone)))
    return done, faults


def _check(piece: Piece) -> None:
    if Piece.at(piece.path) != piece:
        raise OSError("it has changed since it was found")


def _remove(piece: Piece) -> None:
    if S_ISDIR(piece.path.lstat().st_mode):
        piece.path.rmdir()
    else:
        piece.path.unlink()
