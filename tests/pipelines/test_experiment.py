"""The nodes of an experiment by themselves: no session, no hooks, no MLflow."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner

from papergan.atomic_files import write_whole
from papergan.config.checked import Experiment
from papergan.config.experiment import Recipe
from papergan.data.images import ImageSpec
from papergan.data.library import ImageLibrary
from papergan.data.sources import Sources
from papergan.datasets.checkpoints import CheckpointFolder
from papergan.datasets.feature_cache import FeatureCache
from papergan.errors import CheckpointError
from papergan.evaluation.evaluator import Evaluator
from papergan.extractors import build
from papergan.extractors.feature_extractor import NetworkExtractor
from papergan.inference import load
from papergan.inference.model_folder import write_model
from papergan.inference.model_library import ModelLibrary
from papergan.objectives.historical_averaging import HistoricalAverage
from papergan.pipelines import experiment
from papergan.pipelines.experiment.nodes.evaluation import evaluate
from papergan.pipelines.experiment.nodes.export import sample, swap_in_ema
from papergan.pipelines.experiment.nodes.model import build_model
from papergan.pipelines.experiment.nodes.packaging import package_model
from papergan.pipelines.experiment.nodes.scorecard import card
from papergan.pipelines.experiment.nodes.training import rules_of, train_settings_of
from papergan.pipelines.experiment.restore import check_one_run, initial_game, new_game, spec_facts, state_of
from papergan.pipelines.groups import experiment_of, group_of
from papergan.tracking import Tracker, provenance
from papergan.weights import Weights, encode

NAME = "dcgan_cifar10"
GIVEN = {
    "paper": "tahvili2025", "system": "dcgan", "dataset": "synthetic_shapes", "train_limit": 100,
    "overrides": {"width": 8, "latent_dim": 8},
    "training": {"steps": 4, "batch_size": 16, "report_every_steps": 1, "batch_norm_batches": 2},
    "evaluation": {
        "inception": False, "domain_classifier": {"epochs": 1, "width": 4}, "every_epochs": 0.33, "num_samples": 100,
        "final_num_samples": 100, "splits": 2, "discriminator_samples": 20, "batch_size": 50,
    },
}  # fmt: skip


PUBLISHED = {
    "tahvili2025": {
        "dataset": "cifar10",
        "training_log": {
            "caption": "what it printed", "experiments": [NAME], "step": 4, "of": 6,
            "columns": {"D": "discriminator.discriminator_loss"}, "rows": [[1.25], [0.75]],
        },
    }
}  # fmt: skip


class Kept(MemoryDataset):
    """What a node made, also after the runner is done with it."""

    def __init__(self) -> None:
        super().__init__(copy_mode="assign")

    def _release(self) -> None:
        pass


class Listener(Tracker):
    def __init__(self) -> None:
        self.rows, self.replayed, self.pictures = [], [], {}

    def report(self, row):
        self.rows.append(dict(row))

    def replay(self, rows):
        self.replayed += rows

    def picture(self, grid, step):
        self.pictures[step] = grid


def shapes(folder) -> ImageLibrary:
    """Few of them."""
    return ImageLibrary.declared(
        {"synthetic_shapes": {"kind": "synthetic_shapes", "train": 200, "test": 50}}, Sources(folder), folder
    )


def played(pipeline, inputs) -> DataCatalog:
    """What a pipeline makes of these inputs, on one thread."""
    catalog = DataCatalog({name: MemoryDataset(value, copy_mode="assign") for name, value in inputs.items()})
    for name in pipeline.all_outputs():
        catalog[name] = Kept()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        SequentialRunner().run(pipeline, catalog)
    finally:
        torch.set_num_threads(before)
    return catalog


def run(folder, *outputs, **changes):
    """The whole pipeline, or what these outputs need of it: pictures take as long as all the rest."""
    listener = Listener()
    inputs = {
        "image_library": shapes(folder), "feature_cache": FeatureCache(folder / "rulers"),
        "model_library": ModelLibrary(folder / "models"), f"{NAME}.tracker": listener,
        f"params:{NAME}": Experiment(NAME, Recipe.parse(NAME, GIVEN | changes)),
        f"{NAME}.checkpoints": CheckpointFolder(folder / "checkpoints"), "published": PUBLISHED,
    }  # fmt: skip
    nodes = experiment.create_pipeline(NAME).nodes
    whole = Pipeline([node for node in nodes if node.short_name != "compare"])  # which has tests of its own
    return played(whole.to_outputs(*(f"{NAME}.{name}" for name in outputs)) if outputs else whole, inputs), listener


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run(tmp_path_factory.mktemp("experiment"))


def test_every_output_is_made(finished):
    catalog, _ = finished
    card = catalog.load(f"{NAME}.scores")
    assert card.steps == 4
    assert card.dataset == "synthetic_shapes/train[:100]"
    assert card.data_digest == catalog.load(f"{NAME}.images").train.digest
    assert card.protocols[0].weights == "raw"  # this system keeps no average
    reference = catalog.load(f"{NAME}.reference")["domain"]
    assert (reference.split, reference.real.name) == ("train", "synthetic_shapes/train[:100]")
    assert card.final["domain_fid_floor"] == reference.floor


def test_every_extractor_is_built_once_in_a_run(tmp_path, monkeypatch):
    built, initialise = [], NetworkExtractor.__init__

    def counted(self, *given):
        built.append(self)
        initialise(self, *given)

    monkeypatch.setattr(build, "_newest", {})
    monkeypatch.setattr(NetworkExtractor, "__init__", counted)
    run(tmp_path, evaluation=GIVEN["evaluation"] | {"domain64": True})
    # the training of the classifier has one of its own, before there is a digest
    assert sorted(type(extractor).__name__ for extractor in built if extractor.digest) == [
        "DomainExtractor",
        "DomainTap",
    ]


def test_the_card_has_every_metric_and_its_protocol(finished):
    catalog, _ = finished
    card = catalog.load(f"{NAME}.scores")
    expected = {
        "domain_fid", "domain_kid_mean", "domain_is_mean", "domain_log_is", "domain_precision", "domain_recall",
        "domain_density", "domain_coverage", "domain_two_sample_accuracy", "domain_class_entropy", "domain_ppl",
        "domain_copy_rate", "domain_fid_bootstrap", "domain_kid_bootstrap", "ms_ssim", "pixel_copy_rate",
        "discriminator_accuracy_midpoint", "discriminator_held_out_gap", "membership_auc",
    }  # fmt: skip
    assert expected <= set(card.final)
    (protocol,) = card.protocols
    assert (protocol.num_samples, protocol.reference_count, protocol.inception_splits) == (100, 100, 2)
    assert (protocol.truncation, protocol.quantisation, protocol.seed) == (None, "round", 0)
    assert [row.name for row in card.real_rows] == ["real test set", "train copies"]
    assert card.real_rows[1].metrics["domain_copy_rate"] == 1
    assert card.best_fid.metrics["domain_copy_rate"] >= 0  # the best generator is scored by the same rules


def test_the_generator_of_the_likeliest_validation_images_is_scored_if_the_likelihood_is_measured(tmp_path):
    likelihood = {"parzen_samples": 50, "parzen_validation": 20, "parzen_while_training": True}
    catalog, listener = run(tmp_path, "scores", validation=30, evaluation=GIVEN["evaluation"] | likelihood)
    rows = [row for row in listener.rows if "parzen_ll_validation" in row]
    best = max(rows, key=lambda row: row["parzen_ll_validation"])
    card = catalog.load(f"{NAME}.scores")
    assert len(rows) == 2
    assert card.best_likelihood.step == best["step"]
    assert card.best_likelihood.metrics["parzen_ll_historical"] == pytest.approx(best["parzen_ll_historical"])


def test_every_picture_is_drawn(finished):
    catalog, _ = finished
    frames = catalog.load(f"{NAME}.frames")
    assert sorted(frames.tensors) == ["step-000000002", "step-000000004"]
    over_time = catalog.load(f"{NAME}.over_time")
    assert over_time.images.shape == (16, 3, 32, 32)
    assert torch.equal(over_time.images[8:], catalog.load(f"{NAME}.samples").images[:8])
    progress = catalog.load(f"{NAME}.progress")
    assert [grid.caption.rpartition(": ")[2] for grid in progress.grids] == ["epoch 0.333333", "epoch 0.666667"]
    assert torch.equal(progress.grids[1].images, catalog.load(f"{NAME}.samples").images)
    assert catalog.load(f"{NAME}.interpolation").images.shape == (80, 3, 32, 32)
    by_class = catalog.load(f"{NAME}.by_class")
    assert by_class.images.shape == (100, 3, 32, 32)
    assert [label.split()[0] for label in by_class.row_labels][:2] == ["disc", "ring"]
    shares = [float(label.split()[-2]) for label in by_class.row_labels]
    assert sum(shares) == pytest.approx(100, abs=5)
    neighbours = catalog.load(f"{NAME}.neighbours").images.view(8, 9, 3, 32, 32)
    assert torch.equal(neighbours[:, 0], catalog.load(f"{NAME}.samples").images[:8])
    known = {image.numpy().tobytes() for image in catalog.load(f"{NAME}.images").train.images}
    assert all(image.numpy().tobytes() in known for image in neighbours[:, 1:].flatten(0, 1))


def test_curves_mark_the_best_epoch(finished):
    catalog, _ = finished
    figure = catalog.load(f"{NAME}.curves")
    titles = {axes.get_title(): axes for axes in figure.axes}
    first = ["losses, weighted", "Frechet distance", "Inception Score", "precision and recall", "coverage"]
    assert [axes.get_title() for axes in figure.axes][:5] == first
    assert len(figure.axes) <= 6
    further = {axes.get_title() for axes in catalog.load(f"{NAME}.further_curves").figure.axes}
    assert "membership inference AUC" in further
    assert not further & set(titles)
    row = min(catalog.load(f"{NAME}.history").metrics, key=lambda row: row["domain_fid"])
    labels = [text.get_text() for text in titles["Frechet distance"].get_legend().get_texts()]
    assert f"best {row['domain_fid']:.4g}, epoch {row['epoch']:g}" in labels


def test_the_log_stands_beside_the_published_one(finished):
    catalog, _ = finished
    last = catalog.load(f"{NAME}.history").losses[-1]
    page = catalog.load(f"{NAME}.training_log")
    first = f"| 1 | 4 | 1.2500 | {last['discriminator.discriminator_loss']:.4f} |"
    assert first in page.markdown
    assert "| 2 |  | 0.7500 |  |" in page.markdown
    assert "with latent_dim=8, width=8" in page.markdown
    assert "0.666667 epochs here, 2 published" in page.console
    panel = next(axes for axes in catalog.load(f"{NAME}.curves").figure.axes if axes.get_title() == "losses, weighted")
    (crosses,) = [line for line in panel.lines if line.get_label() == "published D"]
    assert list(crosses.get_xdata()) == pytest.approx([4 / 6, 1 + 4 / 6])
    assert list(crosses.get_ydata()) == [1.25, 0.75]


def test_the_truncation_sweep_has_a_point_per_threshold(finished):
    figure = finished[0].load(f"{NAME}.truncation")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["0.2", "0.5", "1", "1.5", "2", "none"]
    assert all(len(line.get_xdata()) == 6 for line in figure.axes[1].lines)


def test_the_listener_hears_every_report_and_every_evaluation(finished):
    _, listener = finished
    assert [row["step"] for row in listener.rows if "images_per_second" in row] == [1, 2, 3, 4]
    assert [row["step"] for row in listener.rows if "domain_fid" in row] == [2, 4]
    assert sorted(listener.pictures) == [2, 4]
    assert not listener.replayed


def test_pictures_say_what_they_show(finished):
    catalog, listener = finished
    for grid in (catalog.load(f"{NAME}.samples"), listener.pictures[4]):
        for part in (NAME, "synthetic_shapes/train[:100]", "step 4"):
            assert part in grid.caption
        assert grid.images.shape == (64, 3, 32, 32)


def test_the_last_evaluation_shows_what_is_published(finished):
    catalog, listener = finished
    assert torch.equal(catalog.load(f"{NAME}.samples").images, listener.pictures[4].images)


def test_a_finished_recipe_is_only_looked_at_again(tmp_path):
    first, _ = run(tmp_path, "trained")
    again, listener = run(tmp_path, "trained")
    assert again.load(f"{NAME}.trained").digest == first.load(f"{NAME}.trained").digest
    assert listener.rows == []
    assert {row["step"] for row in listener.replayed} == {1, 2, 3, 4}
    longer, listener = run(tmp_path, "trained", training=GIVEN["training"] | {"steps": 5})
    assert [row["step"] for row in listener.rows if "images_per_second" in row] == [5]
    fresh, listener = run(tmp_path, "trained", training=GIVEN["training"] | {"resume": False})
    assert [row["step"] for row in listener.rows if "images_per_second" in row] == [1, 2, 3, 4]
    assert fresh.load(f"{NAME}.trained").digest == first.load(f"{NAME}.trained").digest
    assert longer.load(f"{NAME}.trained").digest != first.load(f"{NAME}.trained").digest


def test_a_fine_tuning_does_not_go_on_where_its_start_was_trained_anew(finished, tmp_path):
    base = tmp_path / "models" / "base"
    model, trained = (finished[0].load(f"{NAME}.{what}") for what in ("model", "trained"))
    write_whole(base / "trained.safetensors" / "1" / "trained.safetensors", encode(trained))
    write_model(base / "model" / "1" / "model", model)
    made, _ = run(tmp_path, "trained", fine_tuning={"model": "base"})
    assert json.loads(made.load(f"{NAME}.trained").metadata["models"]) == {"start": model.config["digest"]}
    write_model(base / "model" / "2" / "model", replace(model, config={**model.config, "digest": "another"}))
    with pytest.raises(CheckpointError, match="start of a fine-tuning"):
        run(tmp_path, "trained", fine_tuning={"model": "base"})


def test_a_card_names_the_commit_and_the_device_of_the_training_not_of_the_evaluation(finished):
    catalog, _ = finished
    given, trained = Experiment(NAME, Recipe.parse(NAME, GIVEN)), catalog.load(f"{NAME}.trained").metadata
    assert catalog.load(f"{NAME}.scores").commit == json.loads(trained["made_by"])["commit"] == provenance.commit().name
    before = {"commit": "abc", "dirty": False, "device": "cuda", "hardware": "another", "versions": {"torch": "1"}}
    made = card(given, {**trained, "made_by": json.dumps(before)}, diverged="diverged")
    assert {name: getattr(made, name) for name in before} == before


def test_weights_of_another_recipe_are_refused(finished):
    catalog, _ = finished
    other = Experiment(NAME, Recipe.parse(NAME, GIVEN | {"overrides": {"width": 12, "latent_dim": 8}}))
    with pytest.raises(CheckpointError, match="of recipe"):
        swap_in_ema(other, catalog.load(f"{NAME}.images"), catalog.load(f"{NAME}.trained"))
    with pytest.raises(CheckpointError, match="of recipe"):
        sample(other, catalog.load(f"{NAME}.images"), catalog.load(f"{NAME}.generator"))


def test_what_two_runs_saved_is_neither_scored_nor_packaged(finished, tmp_path):
    """A fingerprint leaves out the budget, and versions of outputs can be given one by one."""
    catalog, _ = finished
    given = Experiment(NAME, Recipe.parse(NAME, GIVEN))
    names = ("images", "domain_classifier", "reference", "real_rows", "trained", "generator", "snapshots")
    made = {name: catalog.load(f"{NAME}.{name}") for name in names}
    scored, cache = catalog.load(f"{NAME}.scores"), FeatureCache(tmp_path)
    check_one_run(*(made[name] for name in ("images", "trained", "generator", "snapshots")))
    for name, changes, what in (
        ("generator", {"step": "2"}, "the generator of step 2 of recipe"),
        ("snapshots", {"recipe": "another"}, "the best generators of step 4 of recipe another"),
        ("snapshots", {"data_digest": "another"}, "they are of two runs"),
        ("trained", {"data_digest": "another"}, "of other images of synthetic_shapes"),
    ):
        other = made | {name: replace(made[name], metadata={**made[name].metadata, **changes})}
        with pytest.raises(CheckpointError, match=what):
            evaluate(given, *other.values(), cache)
        if name == "snapshots":
            continue
        with pytest.raises(CheckpointError, match=what):
            package_model(given, shapes(tmp_path), *(other[n] for n in ("images", "trained", "generator")), scored, {})
    kept = [made[name] for name in ("images", "trained", "generator")]
    with pytest.raises(CheckpointError, match="the scores are of another generator than that of step 4"):
        package_model(given, shapes(tmp_path), *kept, scored.model_copy(update={"generator_digest": "a" * 64}), {})
    before = replace(made["snapshots"], metadata={k: v for k, v in made["snapshots"].metadata.items() if "." in k})
    check_one_run(made["images"], made["trained"], before)  # a file that names no run


def test_divergence_leaves_a_card_that_says_when(tmp_path):
    catalog, _ = run(
        tmp_path,
        overrides={"width": 8, "latent_dim": 8, "learning_rate": 1e9},
        training=GIVEN["training"] | {"steps": 20},
    )
    card = catalog.load(f"{NAME}.scores")
    assert card.diverged.startswith("diverged at step ")
    assert card.final == {}
    assert card.steps >= 1
    trained, generator = (catalog.load(f"{NAME}.{what}") for what in ("trained", "generator"))
    assert not trained.tensors
    assert not generator.tensors
    assert trained.metadata["diverged"] == generator.metadata["diverged"] == card.diverged
    for picture in ("samples", "interpolation", "by_class", "neighbours"):
        assert card.diverged in catalog.load(f"{NAME}.{picture}").caption
    write_model(tmp_path / "model", catalog.load(f"{NAME}.model"))
    with pytest.raises(CheckpointError, match="there is no generator in this model: its training diverged at step"):
        load(tmp_path / "model")
    assert card.diverged in catalog.load(f"{NAME}.truncation").texts[0].get_text()
    assert all(torch.isfinite(frame.float()).all() for frame in catalog.load(f"{NAME}.frames").tensors.values())


def test_the_model_has_what_it_was_built_from_and_gives_the_samples_that_were_scored(finished, tmp_path):
    catalog, _ = finished
    model, card = catalog.load(f"{NAME}.model"), catalog.load(f"{NAME}.scores")
    write_model(tmp_path / "model", model)
    generator = load(tmp_path / "model", "cpu")
    assert "| licence of the data | Apache-2.0, drawn by papergan |" in generator.stored.card
    assert (generator.system, generator.classes) == ("dcgan", catalog.load(f"{NAME}.images").train.classes)
    assert generator.metrics == card.final
    assert generator.recipe["overrides"] == GIVEN["overrides"]
    assert generator.protocol["domain"]["num_samples"] == 100
    assert torch.equal(generator.sample(64, seed=0).pixels, catalog.load(f"{NAME}.samples").images)
    assert "## Misuse and risks" in model.card
    assert model.picture.startswith(b"\x89PNG")


def test_training_begins_at_the_initial_state(finished, tmp_path):
    catalog, _ = finished
    given, images = Experiment(NAME, Recipe.parse(NAME, GIVEN)), catalog.load(f"{NAME}.images")
    initial, page = build_model(given, images, ModelLibrary(tmp_path))
    kept = catalog.load(f"{NAME}.initial_state")
    assert initial.digest == kept.digest
    assert "DCGANGenerator" in page.html
    game = initial_game(given.recipe, kept)
    assert all(torch.equal(kept.tensors[f"networks.{name}"], t) for name, t in game.networks.state_dict().items())
    assert kept.digest != catalog.load(f"{NAME}.trained").digest
    with pytest.raises(CheckpointError, match="of recipe"):
        initial_game(Recipe.parse(NAME, GIVEN | {"seed": 5}), kept)


def test_historical_averages_begin_at_the_weights_that_a_training_starts_with():
    """As in a fine-tuning, whose initial state is that of another model."""
    recipe = Recipe.parse(NAME, GIVEN | {"system": "improved_gan", "overrides": {"width": 8, "latent_dim": 8}})
    spec = ImageSpec(3, 32, 10)
    other = new_game(recipe.model_copy(update={"seed": 7}), spec)
    initial = Weights(state_of(other), {"recipe": recipe.fingerprint, **spec_facts(spec)})
    game = initial_game(recipe, initial)
    averages = [one for one in game.controllers.values() if isinstance(one, HistoricalAverage)]
    assert [float(one.distance()) for one in averages] == [0.0, 0.0]


def test_nodes_are_in_groups_and_datasets_are_not():
    pipeline = experiment.create_pipeline(NAME)
    groups: dict[str, list[str]] = {}
    for node in pipeline.nodes:
        group, name = node.namespace.split(".")
        assert name == NAME == experiment_of(node.namespace)
        assert group == group_of(node.namespace)
        assert group in node.tags
        groups.setdefault(group, []).append(node.short_name)
    assert set(groups) == {"ingestion", "model", "reference", "training", "evaluation", "reporting"}
    assert groups["ingestion"] == ["ingest", "normalise"]
    assert groups["model"] == ["build_model"]
    assert groups["training"] == ["train", "swap_in_ema"]
    own = {name for name in pipeline.datasets() if name.startswith(f"{NAME}.")}
    assert all(name.count(".") == 1 for name in own)
    assert [node.short_name for node in pipeline.filter(node_namespaces=["training"]).nodes] == groups["training"]
    order = {node.short_name: place for place, node in enumerate(pipeline.nodes)}
    chain = ["ingest", "normalise", "build_model", "train", "swap_in_ema", "evaluate", "compare"]
    assert [order[name] for name in chain] == sorted(order[name] for name in chain)


def test_the_cadence_of_the_recipe_in_steps():
    recipe = Recipe.parse(
        NAME, GIVEN | {"training": {"epochs": 10.0, "batch_size": 10}, "evaluation": {"every_epochs": 2.0}}
    )
    plan = train_settings_of(recipe, batches_per_epoch=100, batches_per_step=5, prefix="")
    assert plan.steps == 200
    assert plan.evaluate_every == 40
    assert plan.keep["best_fid"].metric == "fid"
    domain_only = Recipe.parse(NAME, GIVEN)
    assert train_settings_of(domain_only, 100, 1, prefix="domain_").keep["best_is"].metric == "domain_is_mean"


def test_looking_at_every_step_or_at_every_tenth_trains_the_same_weights(tmp_path):
    """100 images, batches of 16: six steps are an epoch."""
    digests = {}
    for cadence in (1, 10):
        changes = {"training": GIVEN["training"] | {"steps": 10, "report_every_steps": 5}}
        changes["evaluation"] = GIVEN["evaluation"] | {"every_epochs": cadence / 6}
        catalog, listener = run(tmp_path / str(cadence), "trained", **changes)
        assert len([row for row in listener.rows if "domain_fid" in row]) == 10 // cadence
        digests[cadence] = catalog.load(f"{NAME}.trained").digest
    assert digests[1] == digests[10]


def test_rules_change_the_numbers_and_nothing_else(tmp_path, monkeypatch):
    """Held against the test set, latents truncated, bytes truncated: said in the protocol; the training is the same."""
    plain, _ = run(tmp_path / "plain", "trained", "scores")
    how = GIVEN["evaluation"] | {"reference": "test", "truncation": 0.5, "quantisation": "truncate", "seed": 9}
    batches, score = [], Evaluator.score_sampler

    def scored(self, sampler, *given, **more):
        batches.append([int(m.num_batches_tracked) for m in sampler.modules() if hasattr(m, "num_batches_tracked")])
        return score(self, sampler, *given, **more)

    monkeypatch.setattr(Evaluator, "score_sampler", scored)
    other, _ = run(tmp_path / "other", "trained", "scores", evaluation=how)
    assert len(batches) >= 3  # in training, and at the end; statistics anew from batch_norm_batches each time
    assert {count for counts in batches for count in counts} == {2}
    assert other.load(f"{NAME}.trained").digest == plain.load(f"{NAME}.trained").digest
    card = other.load(f"{NAME}.scores")
    protocol = card.protocols[0]
    assert protocol.label("fid") == "domain_fid@100v50-test-t0.5"
    assert (protocol.quantisation, protocol.seed, protocol.reference_name) == ("truncate", 9, "synthetic_shapes/test")
    assert card.final["domain_fid"] != plain.load(f"{NAME}.scores").final["domain_fid"]
    assert [row.name for row in card.real_rows] == ["real training set", "test copies"]


def test_evaluations_under_other_rules_are_not_continued(tmp_path, caplog):
    run(tmp_path, "history", "frames")
    caplog.clear()
    again, _ = run(tmp_path, "history", "frames", evaluation=GIVEN["evaluation"] | {"num_samples": 110})
    assert "Evaluated under other rules before: 2 evaluations are dropped" in caplog.text
    history = again.load(f"{NAME}.history")
    assert [row["domain_num_samples"] for row in history.metrics] == [110]
    assert sorted(again.load(f"{NAME}.frames").tensors) == ["step-000000004"]


def test_the_rules_of_an_evaluation_are_all_settings_that_change_its_scores():
    def rules(training=(), evaluation=()):
        changes = {"training": GIVEN["training"] | dict(training), "evaluation": GIVEN["evaluation"] | dict(evaluation)}
        return rules_of(Recipe.parse(NAME, GIVEN | changes))

    plain = rules()
    assert rules(training={"save_minutes": 1.0, "report_every_steps": 2}) == plain
    other = {rules(training={"batch_norm_batches": 3}), rules(evaluation={"discriminator_samples": 30})}
    assert len(other | {plain}) == 3
    default = rules(training={"batch_norm_batches": 100})  # is not named, as in checkpoints of earlier versions
    assert "batch_norm_batches" not in default


def test_the_moving_generator_may_be_published(tmp_path):
    changes = {"system": "hybrid", "overrides": {"latent_dim": 8, "width": 4}, "image_size": 16}
    averaged, raw = (
        run(
            tmp_path / weights,
            "trained",
            "generator",
            "scores",
            **changes,
            evaluation=GIVEN["evaluation"] | {"weights": weights},
        )[0]
        for weights in ("ema", "raw")
    )
    assert averaged.load(f"{NAME}.trained").digest == raw.load(f"{NAME}.trained").digest
    assert averaged.load(f"{NAME}.generator").digest != raw.load(f"{NAME}.generator").digest
    assert [c.load(f"{NAME}.scores").protocols[0].weights for c in (averaged, raw)] == ["ema", "raw"]
