"""The process group of one experiment: rank 0 leads, the others follow, and a lost process is detected."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from enum import IntEnum
from typing import Any, NamedTuple

import torch
from torch import Tensor, distributed

from papergan.errors import PaperganError, RecipeError
from papergan.game.sharding import Shard
from papergan.training.numerics import choose_device

FOLLOWER_TIMEOUT = timedelta(days=7)  # followers wait while the leader evaluates, plots, saves
STEP_TIMEOUT = timedelta(hours=1)  # between two gradient sums; on GPUs, the longest time to notice a lost peer
_PIECE = 256 * 2**20  # bytes sent at once
_NAMES = ("RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_LOST = re.compile(
    r"closed by (remote )?peer|reset by peer|broken pipe|timed out|connection (was )?(refused|closed)", re.I
)


class ProcessGroupError(PaperganError):
    """The process group cannot be formed, or lost a process."""


class Command(IntEnum):
    """Commands of the leader to the followers; `papergan.distributed.follower` executes them."""

    END = 0
    TRAIN = 1
    STEP = 2
    LOAD_EXTRACTORS = 3
    LOAD_GENERATOR = 4
    EXTRACT_FEATURES = 5


class Message(NamedTuple):
    """A command of the leader with its arguments. number: of the step, or of the wave of samples."""

    command: Command
    number: int
    content: dict[str, Any]


class ProcessGroup:
    """This process's rank in the group, and the messages between leader and followers.

    Messages are exchanged in host memory (gloo), separately from gradient sums. They consist of numbers, and data that
    `torch.load` reads with weights_only=True: nothing that is sent can execute code.
    """

    def __init__(self, rank: int, world: int, local_rank: int, local_world: int) -> None:
        self.rank, self.world, self.local_rank, self.local_world = rank, world, local_rank, local_world
        self.broken = False  # an exchange failed half-way: the state of the other processes is unknown
        self._depth = 0
        self._groups: dict[str, distributed.ProcessGroup] = {}

    @property
    def rows(self) -> Shard:
        """This rank's shard of a batch, without a group to sum over."""
        return Shard(self.rank, self.world)

    def shard(self, device: torch.device) -> Shard:
        """This rank's shard, with the group that sums on this kind of device. All ranks call it at the same point."""
        if device.type not in self._groups:
            backend = "nccl" if device.type == "cuda" else "gloo"
            group = distributed.new_group(backend=backend, timeout=STEP_TIMEOUT)
            assert isinstance(group, distributed.ProcessGroup)
            self._groups[device.type] = group
        return Shard(self.rank, self.world, self._groups[device.type])

    @contextmanager
    def exchange(self) -> Iterator[None]:
        """Wrap collective operations. Raises ProcessGroupError if a process is lost or an earlier exchange failed."""
        if self.broken and not self._depth:
            raise ProcessGroupError(
                f"{self}: out of step with the other processes after an error; run the same command again"
            )
        self._depth += 1
        try:
            yield
        except BaseException as error:
            self.broken = True
            if isinstance(error, RuntimeError) and (reason := _lost(error)):
                raise ProcessGroupError(
                    f"{self} lost {'a follower' if self.rank == 0 else 'another process'} ({reason}); all of them end. "
                    "Run the same command again, training resumes from the last checkpoint"
                ) from error
            raise
        finally:
            self._depth -= 1

    def broadcast(self, command: Command, number: int = 0, content: Mapping[str, Any] | None = None) -> None:
        """Send a command to every follower; for the leader."""
        packed = None if content is None else _packed(content)
        with self.exchange():
            distributed.broadcast(torch.tensor([command, number, 0 if packed is None else len(packed)]), src=0)
            for piece in () if packed is None else torch.split(packed, _PIECE):
                distributed.broadcast(piece, src=0)

    def receive_broadcast(self) -> Message:
        """Wait for the leader's next command; for followers."""
        with self.exchange():
            header = torch.empty(3, dtype=torch.int64)
            distributed.broadcast(header, src=0)
            command, number, length = header.tolist()
            packed = torch.empty(length, dtype=torch.uint8)
            for piece in torch.split(packed, _PIECE) if length else ():
                distributed.broadcast(piece, src=0)
            return Message(Command(command), number, _unpacked(packed) if length else {})

    def send_to_leader(self, content: Mapping[str, Any]) -> None:
        """Send results to the leader; for followers."""
        packed = _packed(content)
        with self.exchange():
            distributed.send(torch.tensor([len(packed)]), dst=0)
            for piece in torch.split(packed, _PIECE):
                distributed.send(piece, dst=0)

    def receive_from(self, rank: int) -> dict[str, Any]:
        """Wait for the results of this follower; for the leader."""
        with self.exchange():
            length = torch.empty(1, dtype=torch.int64)
            distributed.recv(length, src=rank)
            packed = torch.empty(int(length), dtype=torch.uint8)
            for piece in torch.split(packed, _PIECE):
                distributed.recv(piece, src=rank)
            return _unpacked(packed)

    def leave(self) -> None:
        """Leave the group; the leader ends the followers first. If it is lost, they notice by themselves."""
        global _current
        _current = None
        if self.broken:
            return
        if self.rank == 0:
            try:
                self.broadcast(Command.END)
            except ProcessGroupError:  # a process that has ended needs no message
                return
        distributed.destroy_process_group()

    def __str__(self) -> str:
        return f"process {self.rank} of {self.world}{' (the leader)' if self.rank == 0 else ''}"


_current: ProcessGroup | None = None


def current() -> ProcessGroup | None:
    """The process group that this process joined; None if it joined none."""
    return _current


def is_broken() -> bool:
    """Whether this process is in a process group that lost a process or failed."""
    return _current is not None and _current.broken


def join() -> ProcessGroup:
    """Join the processes that `torchrun` started. Raises ProcessGroupError if they cannot be reached."""
    global _current
    absent = [name for name in _NAMES if name != "MASTER_ADDR" and not os.environ.get(name, "").isdigit()]
    if absent:
        raise ProcessGroupError(
            f"WORLD_SIZE is {os.environ.get('WORLD_SIZE')!r}, but {', '.join(absent)} are no numbers: "
            "start several processes with torchrun, or unset WORLD_SIZE"
        )
    rank, local_rank, local_world, world = (int(os.environ[name]) for name in _NAMES[:4])
    if local_world == world and os.path.exists("/sys/class/net/lo"):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # on one machine, use the loopback interface only
    try:
        distributed.init_process_group("gloo", timeout=FOLLOWER_TIMEOUT)
    except (RuntimeError, ValueError) as error:
        raise ProcessGroupError(f"process {rank} of {world} cannot reach the others: {_in_short(error)}") from error
    _current = ProcessGroup(rank, world, local_rank, local_world)
    return _current


def device_here(wanted: str) -> torch.device:
    """The device of this process, as `choose_device`; each of several processes on one machine has its own GPU.

    Raises RecipeError if there are not enough GPUs, or one is requested by number.
    """
    device, process_group = choose_device(wanted), current()
    if process_group is None or device.type != "cuda":
        return device
    if device.index is not None:
        raise RecipeError(
            f"training.device is {wanted!r}, one GPU for {process_group.world} processes; use 'auto' or 'cuda'"
        )
    if process_group.local_world > (count := torch.cuda.device_count()):
        raise RecipeError(
            f"{process_group.local_world} processes on this machine, but torch sees {count} GPUs; "
            f"start at most so many with --nproc-per-node, or train with training.device=cpu"
        )
    device = torch.device("cuda", process_group.local_rank)
    torch.cuda.set_device(device)
    return device


def check_devices(experiment: str, devices: int) -> None:
    """Raise RecipeError, with the correct command, if the number of processes differs from the recipe's devices."""
    world = 1 if (process_group := current()) is None else process_group.world
    if world == devices:
        return
    count = max(world, devices)
    command = (
        f"torchrun --standalone --nproc-per-node {count} -m papergan --pipelines {experiment} "
        f"--params {experiment}.training.devices={count}"
    )
    found = "one process was started" if world == 1 else f"{world} processes were started"
    other = "" if world == 1 else ", or without torchrun for one device"
    raise RecipeError(f"{devices} in the recipe, but {found}; start it as `{command}`{other}")


def _lost(error: RuntimeError) -> str | None:
    """The message of an error about a lost peer; None for any other error."""
    if isinstance(error, distributed.DistError) or _LOST.search(str(error)):
        return _in_short(error)
    return None


def _in_short(error: Exception) -> str:
    """The first sentence of an error, without the location in the library's source code."""
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return re.sub(r"^\[\S+:\d+\]\s*", "", first).split(". ")[0][:200]


def _packed(content: Mapping[str, Any]) -> Tensor:
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    return torch.frombuffer(buffer.getbuffer(), dtype=torch.uint8)


def _unpacked(packed: Tensor) -> dict[str, Any]:
    content = torch.load(io.BytesIO(packed.numpy().data), map_location="cpu", weights_only=True)
    if not isinstance(content, dict):
        raise ProcessGroupError(f"a mapping was expected from another process, got {type(content).__name__}")
    return content
