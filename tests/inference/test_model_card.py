"""The model card: what it says, what it says where little is known, and texts that mean harm."""

import json

import pytest
import yaml

from inference.conftest import model_of
from papergan.inference.model_card import model_card
from papergan.reporting.published_results import PublishedRow

ABOUT = {
    "experiment": "hybrid_cifar10",
    "recipe": {"training": {"epochs": 3}},
    "paper": {
        "key": "tahvili2025", "title": "A hybrid GAN", "authors": ["Tahvili, A.", "B, C.", "D, E.", "F, G."],
        "year": 2025, "link": "https://doi.org/10.1/x",
    },
    "dataset": "cifar10",
    "data_digest": "ab12",
    "data_license": "none stated by its authors",
    "protocol": {"inception": {"num_samples": 50000, "reference_name": "cifar10", "reference_count": 50000}},
    "metrics": {
        "fid": 21.456, "fid_bootstrap": 0.25, "is_mean": 7.1, "domain_fid": 3.0, "copy_rate": 0.011,
        "membership_auc": 0.53, "training_oddity": 3.0,
    },
    "published": [{"paper": "tahvili2025", "table": "Table V", "metric": "fid", "row": "Ours", "value": 20.9,
                   "std": None, "note": "of one run", "source": ""}],
    "caveats": ["No published number here has a known protocol."],
    "versions": {"torch": "2.15.0"},
    "commit": "0123abc",
    "hardware": "2 cores",
    "training_seconds": 5400.0,
}  # fmt: skip


def config(about: dict[str, object], name: str = "dcgan") -> dict[str, object]:
    return {**model_of(name).config, "about": about}


def front(card: str) -> dict[str, object]:
    return yaml.safe_load(card.split("---\n")[1])


def test_a_card_of_all_that_is_known():
    row = PublishedRow("arjovsky2017", "Table 1", "cifar10", "is", "WGAN", 3.25, std=0.1)
    card = model_card(config(ABOUT), [row], picture=True, place="hf://lab/gan")
    assert front(card) == {
        "license": "unknown",
        "library_name": "papergan",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["gan", "image-generation", "pytorch", "dcgan"],
        "datasets": ["cifar10"],
        "metrics": ["copy_rate", "fid", "is_mean"],
    }
    for said in (
        "# hybrid_cifar10\n", "![Samples](samples.png)", 'papergan.load("hf://lab/gan")', "after Tahvili et al. 2025",
        "| digest of the data | ab12 |", "| licence of the data | none stated by its authors |",
        "| training time | 1.50 hours |", "| commit | 0123abc |", "| versions | torch 2.15.0 |",
        "| Frechet distance, `fid` | 21.46 ± 0.25 | lowest |", "`domain_fid` | 3 | lowest |",
        "- inception: num samples 50000, reference name cifar10, reference count 50000\n",
        "| Ours (tahvili2025 Table V) | fid | 20.9 | 21.46 ± 0.25 | of one run |",
        "| WGAN (arjovsky2017 Table 1) | is | 3.25 ± 0.1 | 7.1 |  |",
        "- No published number here has a known protocol.", "`copy_rate` | 0.011 | that of real images |",
        "| membership inference AUC, `membership_auc` | 0.53 | 0.5 |", "## Intended use", "## Misuse and risks",
        "Tahvili et al. 2025. A hybrid GAN. https://doi.org/10.1/x",
    ):  # fmt: skip
        assert said in card, said
    assert "| `fid_bootstrap`" not in card
    assert "training_oddity" not in card
    recipe = json.loads(card.split("~~~json\n")[1].split("\n~~~")[0])
    assert recipe["recipe"] == ABOUT["recipe"]
    assert recipe["settings"] == model_of("dcgan").config["settings"]


def test_a_number_of_other_data_says_of_which():
    row = PublishedRow("arjovsky2017", "Table 1", "cifar10", "is", "WGAN", 3.25)
    card = model_card(config(ABOUT | {"dataset": "svhn/train"}), [row])
    assert "| WGAN (arjovsky2017 Table 1) | is | 3.25 | 7.1 | on cifar10 |" in card


def test_a_card_where_nothing_is_known():
    card = model_card(config({}, "dcgan_labels"))
    assert front(card).keys() == {"license", "library_name", "tags"}
    for said in (
        "# dcgan\n", "an unknown data set", "| licence of the data | unknown |", "Nothing was measured",
        "Not measured: it may give back training images", "The paper behind it is unknown", "airplane, cat, 7",
    ):  # fmt: skip
        assert said in card, said
    assert "Beside what was published" not in card
    assert "samples.png" not in card


@pytest.mark.parametrize("key", sorted(ABOUT))
def test_each_entry_may_be_missing(key):
    whole, card = model_card(config(ABOUT)), model_card(config({k: v for k, v in ABOUT.items() if k != key}))
    assert card != whole
    assert "## Citation" in card
    assert front(card)["library_name"] == "papergan"


def test_texts_cannot_become_markup():
    evil = 'x\n---\nlicense: mit\n| a | <script>alert(1)</script> `"'
    names = ("experiment", "dataset", "data_digest", "data_license", "commit", "hardware", "license")
    card = model_card(config(dict.fromkeys(names, evil) | {"paper": {"title": evil}, "caveats": [evil]}))
    assert "<script" not in card.split("---\n", 2)[2].split("~~~json")[0]
    assert front(card)["license"] == 'x\\n---\\nlicense: mit\\n| a | <script>alert(1)</script> `"'
    assert card.count("\n---\n") == 1
    assert """papergan.load("a'b'")\n""" in model_card(config({}), place='a"b`')


def test_clips_in_colour_are_not_called_grey():
    clips = config(ABOUT)
    clips["image"] = {**clips["image"], "channels": 24, "frames": 8}
    assert "16 x 16 pixels, colour" in model_card(clips)
    assert "16 x 16 pixels, grey" in model_card({**clips, "image": {**clips["image"], "channels": 8}})


def test_the_card_of_a_conditional_generator_has_a_line_for_each_class():
    measured = {
        "domain_intra_fid": 4.0, "domain_class_accuracy": 0.75, "domain_intra_fid_class_0": 3.0,
        "domain_intra_fid_class_1": 5.0, "domain_class_accuracy_class_0": 0.5, "domain_class_accuracy_class_1": 1.0,
        "domain_intra_fid_class_2": 4.0,
    }  # fmt: skip
    card = model_card(config({"metrics": measured}, "dcgan_labels"))
    assert "| classes | airplane, cat, 7 |" in card
    assert "| Frechet distance within classes, `domain_intra_fid` | 4 | lowest |" in card
    table = card.split("<summary>By class</summary>")[1]
    assert "| class asked for | `domain_intra_fid` | `domain_class_accuracy` |" in table
    assert "| airplane | 3 | 0.5 |\n| cat | 5 | 1 |\n| 7 | 4 |  |\n" in table
    assert "By class" not in model_card(config({"metrics": {"domain_fid": 3.0}}, "dcgan_labels"))
