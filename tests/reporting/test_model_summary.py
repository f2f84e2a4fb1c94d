"""Model summaries: every network, player and term, and operations as one counts them by hand."""

import pytest
import torch
from torch import nn

from helpers.small_systems import small, spec
from papergan import systems
from papergan.data.images import ImageSpec
from papergan.reporting.model_summary import (
    LayerSummary,
    NetworkSummary,
    _count,
    layer_table,
    network_table,
    notes_on,
    player_table,
    summarise,
    turn_table,
)

IMAGES = ImageSpec(3, 32, 10)


@pytest.mark.parametrize("name", systems.names())
def test_every_system_is_summarised_and_left_as_it_was(name):
    images = spec(name)
    game = systems.build(name, images, small(name), seed=0)
    before = {key: value.clone() for key, value in game.networks.state_dict().items()}
    random_state, modes = torch.get_rng_state(), [module.training for module in game.networks.modules()]
    found = summarise(game, images)
    assert [one.name for one in found] == list(game.networks)
    assert sum(one.parameters for one in found) == sum(p.numel() for p in game.networks.parameters())
    by_name = {one.name: one for one in found}
    assert by_name[game.showcase.generator].output == (3, 32, 32)
    assert by_name[game.showcase.generator].macs > 1000
    judge = by_name[game.showcase.discriminator]
    assert judge.macs > 1000 or not judge.parameters  # one without weights shows pixels as they are
    for one in found:  # layers may share weights, and a network may have some of its own
        assert all(layer.parameters <= one.parameters for layer in one.layers)
    assert set(player_table(game)["player"]) == set(game.players)
    assert len(turn_table(game)) == sum(len(turn.objective) for turn in game.turns)
    assert len(network_table(found)) == len(found)
    assert all(len(layer_table(one)) == len(one.layers) for one in found)
    assert any("3x32x32" in note for note in notes_on(game, images, found))
    assert torch.equal(torch.get_rng_state(), random_state)
    assert [module.training for module in game.networks.modules()] == modes
    assert all(torch.equal(before[key], value) for key, value in game.networks.state_dict().items())


def test_operations_of_a_convolution_and_a_linear_layer():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Flatten(), nn.Linear(8 * 4 * 4, 5))
    layers = [LayerSummary(str(place), "", 0) for place in range(3)]
    summary = NetworkSummary("n", "Sequential", 0, 0, (), layers=layers)
    with torch.no_grad():
        _count(network, (torch.zeros(2, 3, 4, 4),), summary)
    assert summary.macs == 8 * 4 * 4 * 3 * 9 + 8 * 4 * 4 * 5
    assert [layer.macs for layer in layers] == [8 * 4 * 4 * 3 * 9, 0, 8 * 4 * 4 * 5]
    assert [layer.output for layer in layers] == [(8, 4, 4), (128,), (5,)]


def test_terms_have_their_weights_and_players_their_rates():
    game = systems.build("hybrid", IMAGES, small("hybrid"), seed=0)
    turns = turn_table(game)
    (matching,) = turns[turns["term"] == "feature_matching"]["weight"]
    assert float(matching) == systems.resolve("hybrid", {})["feature_matching"]
    assert all(player_table(game)["optimiser"].str.startswith("Adam("))


@pytest.mark.parametrize(("system", "updates"), [("maxout_gan", "simultaneous"), ("wgan_gp", "alternating")])
def test_the_notes_say_in_which_order_the_players_are_updated(system, updates):
    game = systems.build(system, IMAGES, small(system), seed=0)
    assert any(f"updates of the players: {updates}" in note for note in notes_on(game, IMAGES, summarise(game, IMAGES)))
