"""The channel study: four players in one game, resumed to the same bits, refused before anything is trained."""

from __future__ import annotations

from math import isfinite

import pytest
import torch
from kedro.io import DataCatalog, MemoryDataset

from helpers.project_run import run_here
from papergan.config.channel_study import BIT_ERRORS, BLOCK_ERRORS, ChannelResult, ChannelStudyRecipe, trials_of
from papergan.datasets.trial_results import ChannelTrialStore
from papergan.errors import Interrupted, RecipeError
from papergan.game.schedules import Progress
from papergan.game.training_step import active_turns, optimiser_step
from papergan.hooks.study_checks import check_channel_study
from papergan.studies.channel import results as channel_results
from papergan.studies.channel import trials as channel_trials
from papergan.studies.channel.game import build
from papergan.studies.channel.results import constellations, crossing, sent_symbols, summary
from papergan.studies.channel.trials import ChannelTraining, error_rates, generator_errors
from papergan.studies.seed_groups import NamedGroup, grouped
from papergan.wireless.baselines import baselines
from papergan.wireless.channels import TrueChannel, convolve

GRID = {"eb_n0_db": [0.0, 6.0], "training_eb_n0_db": 3.0, "generator_eb_n0_db": 6.0}
CHANNELS = {
    "awgn": {"kind": "awgn", **GRID},
    "rayleigh": {"kind": "rayleigh", "pilot_noise": 1.0, **GRID},
    "selective": {"kind": "frequency_selective", "taps": 3, "windows": [5, 1, 1, 1], **GRID},
}
SMALL = {
    "paper": "ye2020", "seeds": [0], "rounds": 2, "channel_steps": 2, "transmitter_steps": 1, "receiver_steps": 2,
    "batch_size": 8, "generator_batch_size": 16, "monitored_blocks": 50, "blocks": 50,
    "networks": {
        "noise_depth": 2, "generator_width": 8, "discriminator_width": 8, "transmitter_width": 8, "receiver_width": 8,
        "critic_steps": 2,
    },
    "channels": CHANNELS,
}  # fmt: skip


def never():
    return None


def recipe(**changes):
    return ChannelStudyRecipe.parse("channel_study", SMALL | changes)


def trial(channel="rayleigh", through="generator", **changes):
    return next(one for one in trials_of(recipe(**changes)) if (one.channel, one.through) == (channel, through))


def training(one, checkpoints=None):
    return ChannelTraining(one, lambda row: None, checkpoints)


def values_of(run, step):
    run.train_step(step)
    return run.running_mean.read()


def weights(game, name):
    return [tensor.clone() for tensor in game.networks[name].state_dict().values()]


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_player_moves_in_its_phase_and_no_other(channel):
    """The transmitter's gradient comes from the receiver through the generator, and neither of them moves."""
    run = training(trial(channel))
    names = ("discriminator", "generator", "transmitter", "receiver")
    phases = [{"discriminator", "generator"}] * 2 + [{"transmitter"}] + [{"receiver"}] * 2
    for step, movers in enumerate(phases * 2):
        before = {name: weights(run.game, name) for name in names}
        values = values_of(run, step)
        moved = {name for name in names if not all(map(torch.equal, before[name], weights(run.game, name)))}
        assert moved == movers
        assert {name.split(".")[0] for name in values} == movers
        assert all(map(isfinite, values.values()))


def test_the_transmitter_learns_through_the_generator_alone():
    """A generator that does not depend on what was sent gives it no gradient; neither does the true channel."""
    run = training(trial())
    turn = next(turn for turn in run.game.turns if turn.player == "transmitter")
    assert turn in active_turns(run.game, Progress(2, 0))
    batch = run._messages(2)

    def gradients():
        optimiser_step(run.game, turn, batch, Progress(2, 0), None, None)
        return [one.grad.abs().max() for one in run.game.networks["transmitter"].parameters()]

    assert max(gradients()) > 0
    assert not [
        name
        for name in ("generator", "receiver")
        for one in run.game.networks[name].parameters()
        if one.grad is not None
    ]
    with torch.no_grad():
        run.game.networks["generator"].layers[0].weight[:, 2:4] = 0.0  # behind the noise of two numbers
    assert max(gradients()) == 0


def test_through_the_true_channel_there_is_no_gan():
    game = build(trial(through="true_channel"))
    assert set(game.players) == {"transmitter", "receiver"}
    assert isinstance(game.networks[game.showcase.generator], TrueChannel)
    assert "generator" not in game.networks


def test_both_losses_have_their_penalty():
    for loss, names in (("wasserstein", "gradient_penalty"), ("non_saturating", "r1")):
        run = training(trial(networks=SMALL["networks"] | {"loss": loss}))
        assert f"discriminator.{names}" in values_of(run, 0)


def test_symbols_have_mean_energy_1_in_every_block():
    game = build(trial())
    sent = game.networks["transmitter"](torch.randint(2, (9, 4)).float())
    assert sent.shape == (9, 7, 2)
    assert sent.square().sum(2).mean(1) == pytest.approx([1.0] * 9, abs=1e-5)


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_generator_learns_from_what_the_true_channel_did(channel):
    run = training(trial(channel, generator_batch_size=14_000))
    batch = run._signals(0, 0)
    length = 7 if channel == "selective" else 1
    assert batch["sent"].shape == (14_000 // length, length, 2)
    noise = batch["received"] - convolve(batch["sent"], batch["taps"])
    assert float(noise.std()) == pytest.approx(run.trial.deviation(6.0), rel=0.03)
    half = len(batch["sent"]) // 2
    assert batch["sent"][half:].abs().max() <= 1.5 < batch["sent"][half:].abs().max() + 0.05
    assert batch["sent"][:half].square().sum(2).mean() == pytest.approx(1 + 2 * 0.1**2, abs=0.05)
    if channel != "awgn":
        off = batch["pilot"] - batch["taps"].flatten(1)
        expected = run.trial.deviation(6.0) if channel == "rayleigh" else 0.0
        assert float(off.std()) == pytest.approx(expected, rel=0.05)


def test_a_generator_that_is_the_channel_has_no_errors(monkeypatch):
    one = trial("rayleigh", channels={"rayleigh": CHANNELS["rayleigh"] | {"pilot_noise": 0.0}})
    game = build(one)

    class Perfect(torch.nn.Module):
        beside = 0.0

        def forward(self, noise, sent, pilot):
            return convolve(sent, pilot.reshape(len(pilot), -1, 2)) + one.deviation(6.0) * noise + self.beside

    game.networks["generator"] = Perfect()
    found = generator_errors(game, one)
    assert found["mean_error"] < 0.02  # and not 0.05, the deviation of a mean of a hundred
    assert found["deviation_ratio"] == pytest.approx(1.0, abs=0.02)
    game.networks["generator"].beside = 0.1
    assert generator_errors(game, one)["mean_error"] == pytest.approx(0.1 / 0.75**0.5, rel=0.1)  # of h * x, 1.5^2 / 3


def test_errors_are_those_of_the_receiver():
    """A transmitter and a receiver of BPSK, one bit for each symbol, have the errors of BPSK."""
    one = trial("awgn", bits=4, symbols=7)
    game = build(one)

    class Repeat(torch.nn.Module):
        def forward(self, bits):
            sent = torch.zeros(len(bits), 7, 2)
            sent[:, :4, 0] = (7 / 4) ** 0.5 * (2 * bits - 1)
            return sent

    class Sign(torch.nn.Module):
        def forward(self, received, pilot):
            return received[:, :4, 0]

    game.networks["transmitter"], game.networks["receiver"] = Repeat(), Sign()
    row = error_rates(game, one, 3.0, 60_000)
    assert row[BIT_ERRORS] == pytest.approx(0.02288, abs=0.0016)  # Q(sqrt(2 * 10^0.3))
    assert row["block_errors"] / 60_000 == row[BLOCK_ERRORS] == pytest.approx(1 - (1 - 0.02288) ** 4, abs=0.006)


@pytest.mark.parametrize(("channel", "through"), [("rayleigh", "generator"), ("selective", "true_channel")])
def test_a_stopped_trial_goes_on_to_the_same_bits(tmp_path, monkeypatch, channel, through):
    monkeypatch.setattr("papergan.studies.resumable.SECONDS_BETWEEN_SAVES", 0.0)
    one, store = trial(channel, through, rounds=3), ChannelTrialStore(tmp_path / "trials", tmp_path / "work")
    whole, asked = training(one).run(never), []

    def in_the_second_round():
        asked.append(None)
        return 15 if len(asked) == one.steps_per_round + 2 else None

    with store.unfinished(one.key) as checkpoints:
        with pytest.raises(Interrupted, match="run again to go on"):
            training(one, checkpoints).run(in_the_second_round)
        assert checkpoints.steps() == [one.steps_per_round, one.steps_per_round + 1]
        again = training(one, checkpoints).run(never)
    for name in ("over_time", "losses", "curve", "sent", "constellations"):
        assert getattr(again, name) == getattr(whole, name)
    store.keep(one.key, again)
    assert checkpoints.steps() == []
    assert store.find(one.key).curve == whole.curve
    assert training(trial(channel, through, rounds=3, seeds=[1])).run(never).sent != whole.sent


def test_golden_numbers():
    """Losses and symbols of a small game, as they were: a change of numerics is seen."""
    result = training(trial()).run(never)
    assert result.losses[-1] == pytest.approx(GOLDEN, rel=1e-3, abs=1e-5)


GOLDEN = {
    "step": 10.0, "discriminator.discriminator_loss": -0.14608, "discriminator.gradient_penalty": 2.1774,
    "generator.generator_loss": -1.1768, "transmitter.bit_cross_entropy": 1.3497, "receiver.bit_cross_entropy": 0.93565,
}  # fmt: skip


def test_the_key_of_a_trial_is_of_what_decides_its_result():
    base = trial()
    assert trial(channel_steps=3).key != base.key != trial(blocks=60).key
    assert trial(through="true_channel").key == trial(through="true_channel", channel_steps=3).key != base.key
    assert trial(seeds=[0, 1], description="x").key == base.key


def test_a_trial_that_diverges_says_so(monkeypatch):
    def broken(one):
        game = build(one)
        next(game.networks["generator"].parameters()).fill_(float("nan"))
        return game

    monkeypatch.setattr(channel_trials, "build", broken)
    result = training(trial()).run(never)
    assert result.diverged == "diverged at received signals of the generator are not finite"
    assert result.curve == []


def test_where_an_error_rate_falls_below_a_level():
    assert crossing([0.0, 2.0], [1e-2, 1e-4], 1e-3) == pytest.approx(1.0)
    assert crossing([0.0, 2.0], [1e-2, 0.0], 1e-3) == 2.0
    assert crossing([0.0, 2.0], [1e-2, 2e-3], 1e-3) is None


def test_the_table_has_means_over_seeds_beside_baselines(tmp_path):
    what, store = recipe(seeds=[0, 1]), ChannelTrialStore(tmp_path, tmp_path / "work")
    for one in trials_of(what):
        rate = 0.1 + 0.1 * one.seed
        curve = [
            {"eb_n0_db": at, "block_errors": errors, BIT_ERRORS: rate, BLOCK_ERRORS: rate}
            for at, errors in ((0.0, 14.0), (6.0, 15.0))
        ]  # fmt: skip
        last = {"step": 1.0, "mean_error": 0.5, "deviation_ratio": 1.0} if one.through == "generator" else {"step": 1.0}
        last = last if one.through == "generator" else {"step": 1.0}
        store.keep(one.key, ChannelResult(over_time=[last], seconds_per_step=0.1, curve=curve))
    groups = [group for group in grouped(NamedGroup, trials_of(what), store) if group.grid == "awgn"]
    table = summary(groups, baselines(what.channels["awgn"].model(), 4, 7, 2, (0.0, 6.0), 100), (0.0, 6.0))
    assert list(table["system"])[:3] == [
        "trained through the generator", "trained through the true channel", "4-QAM (closed form)",
    ]  # fmt: skip
    assert table["BER 6 dB"][0] == table["BLER 6 dB"][0] == "0.15 ± 0.0707"
    assert table["BER 0 dB"][0] == table["BLER 0 dB"][0] == "0.15 ± 0.0707 (few)"  # 28 of both seeds
    assert table["BER 6 dB"][2] == "0.00239"
    assert table["BER 6 dB"][5].endswith(" (few)")  # of a hundred blocks of maximum likelihood
    assert list(table["BLER 0 dB"])[2:5] == [cell.removesuffix(" (few)") for cell in list(table["BLER 0 dB"])[2:5]]
    assert table["mean error"][0] == "0.5 ± 0"
    assert table["mean error"][1] == ""


def test_pictures_are_of_the_first_seed_that_ended(tmp_path):
    what, store = recipe(seeds=[0, 1]), ChannelTrialStore(tmp_path, tmp_path / "work")
    for one in trials_of(what):
        if one.seed == 0 or one.channel == "awgn":
            store.keep(one.key, ChannelResult(diverged="diverged at step 1"))
        else:
            cloud = {"h = 1": {"real": [[[1.0, 0.0]]], "generated": [[[0.0, 1.0]]]}}
            gan = one.through == "generator"
            store.keep(one.key, ChannelResult(sent=[[[0.5, 0.5]]], constellations=cloud if gan else {}))
    groups = grouped(NamedGroup, trials_of(what), store)
    panels = [axes for axes in constellations(groups, "title").axes if axes.get_visible()]
    assert [axes.collections[0].get_offsets().tolist() for axes in panels] == [[[1.0, 0.0]], [[0.0, 1.0]]] * 2
    assert [axes.get_ylabel().split(",")[0] for axes in sent_symbols(groups, "title").axes] == [
        "rayleigh", "rayleigh", "selective", "selective",
    ]  # fmt: skip


def test_a_baseline_has_one_colour_in_all_panels():
    what = recipe()
    lines = {name: baselines(one.model(), 4, 7, 2, (0.0, 6.0), 100) for name, one in what.channels.items()}
    colours: dict[str, set[str]] = {}
    for axes in channel_results.error_rates([], lines, what, "rates").axes:
        for line in axes.get_lines():
            colours.setdefault(line.get_label(), set()).add(line.get_color())
    assert "4-QAM, OFDM" in colours
    assert [len(found) for found in colours.values()] == [1] * len(colours)
    assert len(set.union(*colours.values())) == len(colours)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"channels": {"a": CHANNELS["awgn"] | {"kind": "ricean"}}}, "channels.a.kind: .*'awgn', 'rayleigh'"),
        ({"channels": {"a": CHANNELS["awgn"] | {"eb_n0_db": []}}}, "channels.a.eb_n0_db"),
        ({"channels": {"a": CHANNELS["awgn"] | {"eb_n0_db": [4.0, 2.0]}}}, "rises from each value to the next"),
        ({"channels": {"a": CHANNELS["awgn"] | {"taps": 2}}}, "kind awgn has one tap, got 2"),
        ({"channels": {"a": CHANNELS["selective"] | {"windows": [1, 1, 1, 1]}}}, "do not reach the echoes of 3 taps"),
        ({"channels": {"a": CHANNELS["selective"] | {"windows": [4, 3, 3, 3]}}}, "windows are odd"),
        ({"channels": {}}, "channel_study.channels"),
        ({"symbols": 8}, r"4 bits in 8 symbols do not fit the Hamming code \(7, 4\) .*: 4 bits are 7 symbols"),
        ({"bits": 8, "symbols": 7}, "do not fit the Hamming code"),
        ({"bits": 6, "symbols": 10}, "do not fit the Hamming code"),
        ({"through": ["generater"]}, "channel_study.through"),
        ({"roundz": 1}, "unknown key 'roundz'; did you mean 'rounds'"),
        ({"networks": {"critic_steps": 0}}, "channel_study.networks.critic_steps"),
        ({"paper": "ye2021"}, "ye2021"),
    ],
)  # fmt: skip
def test_bad_settings_are_refused_in_one_line(changes, text):
    catalog = DataCatalog({"params:channel_study": MemoryDataset(SMALL | changes)})
    with pytest.raises(RecipeError, match=text) as refused:
        check_channel_study("channel_study", catalog)
    assert "\n" not in str(refused.value)


def test_two_words_of_the_code_fit_into_4_qam():
    assert recipe(bits=8, symbols=7, code_order=4).bits == 8


def test_from_the_command_to_the_table(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERGAN_WORKSPACE", str(tmp_path))
    run_here("channel_study")
    folder = tmp_path / "data/08_reporting/channel_study"
    assert {path.name for path in folder.iterdir()} == {
        "trials", "finished.json", "table", "error_rates.png", "constellations.png", "symbols.png",
    }  # fmt: skip
    table = (folder / "table/table.md").read_text()
    assert "## frequency selective" in table
    assert "| trained through the true channel |" in table
    assert len(list((folder / "trials").iterdir())) == 3 * 2
    assert channel_trials.CHUNK > 50
