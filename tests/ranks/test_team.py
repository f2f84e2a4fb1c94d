"""What is refused before anything is done, and what a lost process is called."""

from __future__ import annotations

import pytest
import torch

from papergan.config.experiment import Recipe
from papergan.errors import RecipeError
from papergan.game.sharding import Shard
from papergan.training import process_group
from papergan.training.batches import Batches
from papergan.training.process_group import ProcessGroup, ProcessGroupError, check_devices, device_here, join

GOOD = {"paper": "tahvili2025", "system": "dcgan", "dataset": "cifar10"}
IMAGES, LABELS = torch.zeros(8, 3, 4, 4, dtype=torch.uint8), torch.arange(8)


def training(**changes) -> Recipe:
    return Recipe.parse("dcgan_cifar10", GOOD | {"training": {"steps": 1, "batch_size": 8} | changes})


def test_devices_that_cannot_share_a_batch_are_refused():
    with pytest.raises(RecipeError, match="dcgan_cifar10.training: 3 devices cannot share a batch_size of 8 evenly"):
        training(devices=3)
    with pytest.raises(RecipeError, match="3 devices cannot share a batch of 8 evenly"):
        Batches(IMAGES, LABELS, batch_size=8, seed=0, device="cpu", shard=Shard(0, 3))


def test_how_many_devices_train_is_no_part_of_a_recipes_identity():
    assert training(devices=4).fingerprint == training().fingerprint
    assert training(devices=4).variant == training().variant


def test_more_devices_than_processes_are_refused_with_the_command_to_type():
    command = r"`torchrun --standalone --nproc-per-node 2 -m papergan --pipelines x --params x\.training\.devices=2`"
    with pytest.raises(RecipeError, match=rf"^2 in the recipe, but one process was started; .*{command}$"):
        check_devices("x", 2)
    check_devices("x", 1)


@pytest.mark.parametrize("devices", [1, 4])
def test_another_number_of_processes_is_refused(monkeypatch, devices):
    monkeypatch.setattr(process_group, "_current", ProcessGroup(0, 2, 0, 2))
    with pytest.raises(RecipeError, match=rf"^{devices} in the recipe, but 2 .*--nproc-per-node"):
        check_devices("x", devices)
    check_devices("x", 2)


def test_several_processes_without_torchrun_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(
        ProcessGroupError, match="WORLD_SIZE is '2', but RANK, LOCAL_RANK.* are no numbers: start.*torchrun"
    ):
        join()


def test_each_process_has_a_gpu_of_its_own_or_none(monkeypatch):
    monkeypatch.setattr(process_group, "_current", ProcessGroup(1, 2, 1, 2))
    assert device_here("cpu") == torch.device("cpu")
    chosen = []
    monkeypatch.setattr(process_group, "choose_device", torch.device)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_here("cuda") == torch.device("cuda:1")
    assert chosen == [torch.device("cuda:1")]
    with pytest.raises(RecipeError, match="'cuda:0', one GPU for 2 processes"):
        device_here("cuda:0")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(RecipeError, match="2 processes on this machine, but torch sees 1 GPUs"):
        device_here("cuda")


@pytest.mark.parametrize(
    "said",
    [
        "[/pytorch/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:7. This is typical. More",
        "[/a/b.cc:1] Read error [127.0.0.1]:7: Connection reset by peer",
        "[../c.cc:78] Timed out waiting 3600000ms for recv operation to complete",
    ],
)
def test_a_lost_process_is_one_line_that_says_who_noticed_and_what_to_do(said):
    one = ProcessGroup(0, 2, 0, 2)
    with pytest.raises(ProcessGroupError) as error, one.exchange():
        raise RuntimeError(f"{said}\nmore")
    message = str(error.value)
    assert message.startswith("process 0 of 2 (the leader) lost a follower (")
    assert message.endswith("Run the same command again, training resumes from the last checkpoint")
    assert "\n" not in message
    assert ".cc" not in message
    assert "More" not in message


def test_after_an_exchange_that_failed_nothing_more_is_exchanged():
    one = ProcessGroup(0, 2, 0, 2)
    with pytest.raises(ZeroDivisionError), one.exchange():
        raise ZeroDivisionError
    assert one.broken
    with pytest.raises(ProcessGroupError, match="out of step"):
        one.broadcast(process_group.Command.STEP)
    one.leave()  # tells nobody


def test_an_error_of_the_program_keeps_its_name():
    with pytest.raises(RuntimeError, match="shape mismatch"), ProcessGroup(0, 2, 0, 2).exchange():
        raise RuntimeError("shape mismatch")
