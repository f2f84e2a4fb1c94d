"""The Dirac-GAN: measured eigenvalues and trajectories against formulas, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from kedro.io import DataCatalog, MemoryDataset

from papergan.config.checked import Dirac
from papergan.config.dirac import Complex, DiracRecipe
from papergan.errors import RecipeError
from papergan.hooks.tool_checks import check_settings
from papergan.pipelines import dirac_gan as nodes
from papergan.studies.dirac import Linearised, build, closed_form, gradient_field, run_variant
from papergan.studies.measures import run_of_dirac


def recipe(steps=40, **variants):
    return DiracRecipe.parse("dirac_gan", {"paper": "mescheder2018", "steps": steps, "variants": variants})


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ({}, (complex(0, -0.5), complex(0, 0.5))),
        ({"loss": "non_saturating"}, (complex(0, -0.5), complex(0, 0.5))),
        ({"loss": "wasserstein"}, (complex(0, -1), complex(0, 1))),
        ({"r1": 0.6}, (complex(-0.3, -0.4), complex(-0.3, 0.4))),
        ({"r2": 0.6}, (complex(-0.3, -0.4), complex(-0.3, 0.4))),
        ({"r1": 1.25}, (-1.0, -0.25)),
        ({"instance_noise": 1.0}, (complex(-0.25, -math.sqrt(3) / 4), complex(-0.25, math.sqrt(3) / 4))),
        ({"loss": "wasserstein", "r1": 1.0}, (complex(-0.5, -math.sqrt(0.75)), complex(-0.5, math.sqrt(0.75)))),
    ],
)
def test_eigenvalues_are_those_of_the_paper_by_hand_by_formula_and_measured(variant, expected):
    what = recipe(steps=1, v=variant)
    result, theory = run_variant("v", what), closed_form(what.variants["v"])
    for values in (result.eigenvalues, theory.eigenvalues):
        np.testing.assert_allclose([complex(*value) for value in values], expected, atol=2e-4)
    assert result.step_radius == pytest.approx(theory.step_radius(0.1, 1), abs=2e-4)


def test_the_gradient_field_is_that_of_the_loss_far_from_the_equilibrium():
    game = build(recipe(v={"r1": 0.5}).variants["v"], 1.0)
    theta, psi = 0.7, -1.3
    share = 1 / (1 + math.exp(-psi * theta))  # D minimises softplus(psi theta), G its negative
    expected = [psi * share, -theta * share - 0.5 * psi]
    np.testing.assert_allclose(gradient_field(game, np.array([theta, psi])), expected, rtol=1e-5)


def test_alternating_descent_without_a_regulariser_stays_away_and_r1_arrives():
    what = recipe(steps=400, bare={}, r1={"r1": 1.0}, penalty={"loss": "wasserstein", "gradient_penalty": 1.0})
    bare, r1, penalty = (run_variant(name, what) for name in ("bare", "r1", "penalty"))
    assert not bare.converged
    assert not penalty.converged
    assert r1.converged
    assert bare.step_radius == pytest.approx(1.0, abs=1e-5)
    assert penalty.eigenvalues is None
    assert penalty.step_radius is None
    assert len(r1.trajectory) == 401
    assert r1.trajectory[0] == (1.0, 1.0)


def test_more_steps_of_the_discriminator_are_more_factors_of_its_matrix():
    bare = Linearised(slope=1.0, damping=-1.0)
    of_d, of_g = np.array([[1, 0], [0.1, 0.9]]), np.array([[1, -0.1], [0, 1]])
    assert bare.step_radius(0.1, 3) == pytest.approx(np.abs(np.linalg.eigvals(of_g @ of_d @ of_d @ of_d)).max())


def test_the_page_says_what_does_not_hold():
    what = Dirac(
        recipe(wrong={"converges": True}, right={"r1": 1.0, "converges": True}, bare={"loss": "hinge"}, steps=400)
    )
    page = nodes.tabulate(what, nodes.run_dirac_gan(what))
    rows = {line.split("|")[1].strip(): line for line in page.markdown.splitlines() if line.startswith("| ")}
    assert "does not hold" in rows["wrong"]
    assert "holds" in rows["right"].split("|")[-2]
    assert "0.000 ± 0.500i" in rows["wrong"]
    assert "does not" not in rows["bare"]
    figure = nodes.draw_trajectories(what, nodes.run_dirac_gan(what))
    assert figure.axes[-1].get_ylabel() == "step of (theta, psi)"
    assert figure.axes[-1].get_ylim() == (0, 400)


def test_a_variant_that_diverges_ends_there_and_the_page_has_all(tmp_path):
    what = Dirac(recipe(
        steps=400, right={"r1": 1.0, "converges": True}, strong={"r1": 30.0, "converges": True}, bare={"r1": 30.0},
        huge={"r1": 1e6, "discriminator_steps": 10}, rough={"loss": "wasserstein", "gradient_penalty": 1e6},
    ))  # fmt: skip
    results = {result.variant: result for result in nodes.run_dirac_gan(what)}
    strong, huge = results["strong"], results["huge"]
    assert not strong.converged
    assert len(strong.trajectory) == strong.diverged_at < 400
    assert np.isfinite(strong.trajectory).all()
    np.testing.assert_allclose([complex(*value).real for value in strong.eigenvalues], [-29.992, -0.008], atol=1e-3)
    assert run_of_dirac(strong).values.keys() == {"real_part", "lower_real_part", "imaginary_part", "step_radius"}
    assert (huge.diverged_at, huge.trajectory, huge.step_radius) == (1, ((1.0, 1.0),), None)
    assert results["rough"].diverged_at is not None
    assert results["right"].diverged_at is None
    page = nodes.tabulate(what, [*results.values()])
    rows = {line.split("|")[1].strip(): line for line in page.markdown.splitlines() if line.startswith("| ")}
    assert f"| diverged at step {strong.diverged_at} | no | yes | does not hold |" in rows["strong"]
    assert "| yes | yes | holds |" in rows["right"]
    figure = nodes.draw_trajectories(what, [*results.values()])
    assert [axes.get_title() for axes in figure.axes[:3]] == [
        "right", f"strong\ndiverged at step {strong.diverged_at}", f"bare\ndiverged at step {strong.diverged_at}",
    ]  # fmt: skip
    assert max(figure.axes[1].get_xlim()) < 100
    figure.savefig(tmp_path / "figure.png")


def test_real_parts_of_rounding_errors_have_no_sign():
    assert nodes._pair((Complex(-1e-9, -0.5), Complex(-1e-9, 0.5))) == "0.000 ± 0.500i"
    assert nodes._pair((Complex(-1e-9, 0.0), Complex(1e-9, 0.0))) == "0.000, 0.000"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"variants": {}}, "dirac_gan.variants"),
        ({"variants": {"a": {"r3": 1.0}}}, "unknown key 'r3'"),
        ({"variants": {"a": {"r1": -1.0}}}, "dirac_gan.variants.a.r1"),
        ({"variants": {"a": {}}, "learning_rate": 0.0}, "dirac_gan.learning_rate"),
    ],
)
def test_bad_settings_are_named_with_their_place(given, message):
    catalog = DataCatalog({"params:dirac_gan": MemoryDataset({"paper": "mescheder2018", **given})})
    with pytest.raises(RecipeError, match=message):
        check_settings("dirac_gan", catalog)
