"""A loaded translator: images of any size, tiles, directions, files; what needs latents is refused in one line."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from papergan.command_line import main
from papergan.errors import DataError, RecipeError, StorageError
from papergan.inference import Translator
from papergan.inference.measured_files import measure_files
from papergan.inference.model_card import model_card
from papergan.inference.translated_files import translate_files
from papergan.serving.server import serve


def test_translators_are_loaded_as_such_and_translate_bytes_and_floats(loaded):
    translator = loaded("pix2pix")
    assert isinstance(translator, Translator)
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    made = translator.translate(images)
    assert made.images.shape == (3, 16, 16, 3)
    floats = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    assert torch.equal(translator.translate(floats).tensor, made.tensor)
    assert torch.equal(translator.translate(floats, batch_size=2).tensor[2], translator.translate(floats[2:]).tensor[0])


def test_images_of_other_sizes_are_made_at_their_own(loaded):
    made = loaded("srgan").translate(np.zeros((1, 20, 33, 3), np.uint8))
    assert made.images.shape == (1, 40, 66, 3)
    assert loaded("cyclegan").translate(np.zeros((1, 18, 21, 3), np.uint8)).images.shape == (1, 18, 21, 3)
    assert loaded("pix2pix").translate(np.zeros((1, 40, 17, 3), np.uint8)).images.shape == (1, 40, 17, 3)


def test_images_may_be_smaller_than_what_a_network_adds_to_them(loaded, monkeypatch):
    translator, images = loaded("srgan"), torch.rand(1, 3, 9, 20) * 2 - 1
    given, network = [], translator.sampler.generator
    monkeypatch.setattr(network, "multiple_of", 64)
    hook = network.register_forward_pre_hook(lambda _, arguments: given.append(arguments[0]))
    assert translator.translate(images).images.shape == (1, 18, 40, 3)
    assert translator.translate(images, tile=8).images.shape == (1, 18, 40, 3)  # its last tile has 4 columns
    hook.remove()
    mirrored = np.pad(images.numpy(), ((0, 0), (0, 0), (0, 55), (0, 44)), mode="reflect")
    assert torch.equal(given[0], torch.from_numpy(mirrored))


def test_tiles_are_put_together_to_the_whole(loaded):
    translator, images = loaded("srgan"), torch.rand(1, 3, 100, 90) * 2 - 1
    whole, tiled = (translator.translate(images, tile=tile).tensor for tile in (None, 40))
    assert whole.shape == tiled.shape == (1, 3, 200, 180)
    torch.testing.assert_close(whole, tiled, atol=1e-5, rtol=0)  # it sees 20 pixels around, of 32 that it is given


def test_tiles_lie_on_the_grid_of_the_network_s_strides(loaded, monkeypatch):
    """Between its places, strided convolutions sample other pixels than in the whole image."""
    translator, begins = loaded("pix2pix"), []
    unit, network = translator.sampler.generator.multiple_of, translator.sampler.generator
    assert unit > 1
    rows, columns = torch.meshgrid(torch.arange(100.0), torch.arange(90.0), indexing="ij")
    images = torch.stack([rows / 100, columns / 100, rows * 0])[None]
    hook = network.register_forward_pre_hook(
        lambda _, given: begins.append([round(100 * float(given[0][0, one, 0, 0])) for one in (0, 1)])
    )
    translator.translate(images, tile=40)
    hook.remove()
    assert len(begins) == 9
    assert {place % unit for begin in begins for place in begin} == {0}
    assert len({tuple(begin) for begin in begins}) > 1


def test_the_way_back_is_the_other_network(loaded):
    translator, images = loaded("cyclegan"), torch.rand(1, 3, 16, 16) * 2 - 1
    there, back = (translator.translate(images, direction=way).tensor for way in ("a_to_b", "b_to_a"))
    assert not torch.equal(there, back)
    with torch.no_grad():
        torch.testing.assert_close(back, translator.sampler.generator.b_to_a(images))
    with pytest.raises(RecipeError, match="system 'pix2pix' knows the direction a_to_b, got 'b_to_a'"):
        loaded("pix2pix").translate(images, direction="b_to_a")


@pytest.mark.parametrize("what", ["sample", "decode", "interpolate", "invert"])
def test_what_needs_latents_is_refused(loaded, what):
    with pytest.raises(RecipeError, match=r"^system 'pix2pix' translates images and cannot be .*: use translate\("):
        getattr(loaded("pix2pix"), what)(*[torch.zeros(1, 8)] * {"sample": 0, "interpolate": 2}.get(what, 1))


def test_images_of_another_kind_are_refused(loaded):
    with pytest.raises(RecipeError, match=r"expected images \[N, H, W, 3\] as bytes"):
        loaded("pix2pix").translate(np.zeros((1, 16, 16, 1), np.uint8))
    with pytest.raises(RecipeError, match="8 pixels or more"):
        loaded("srgan").translate(np.zeros((1, 4, 4, 3), np.uint8))
    with pytest.raises(RecipeError, match="makes images from latents and translates none"):
        loaded("dcgan").translate(np.zeros((1, 16, 16, 3), np.uint8))


def test_its_files_say_of_which_model_they_are_as_samples_do(loaded):
    generator = loaded("srgan")
    facts = generator.translate(np.zeros((1, 16, 16, 3), np.uint8)).about
    assert facts["Model"] == generator.digest
    assert facts.keys() == loaded("dcgan").sample(1).about.keys()


def test_files_of_a_folder_become_files_of_the_same_name(loaded, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name, size in (("a.png", (20, 12)), ("b.jpg", (9, 30))):
        Image.new("RGB", size, "red").save(folder / name)
    (folder / "notes.txt").write_text("not an image")
    (folder / "._a.png").write_bytes(b"left by a desktop system")
    paths = translate_files(loaded("srgan"), folder, out, direction="a_to_b", tile=None)
    assert [path.name for path in paths] == ["a.png", "b.png"]
    assert [Image.open(path).size for path in paths] == [(40, 24), (18, 60)]
    assert translate_files(loaded("srgan"), folder, out, direction="a_to_b", tile=None) == paths  # replaced
    with pytest.raises(RecipeError, match=r"in/a.png is one of the images, and would be replaced; name another folder"):
        translate_files(loaded("srgan"), folder, folder, direction="a_to_b", tile=None)
    (folder / "a.png").rename(folder / "b.webp")
    with pytest.raises(RecipeError, match=r"in/b.jpg and .*in/b.webp would both become .*out/b.png"):
        translate_files(loaded("srgan"), folder, out, direction="a_to_b", tile=None)
    (folder / "b.webp").unlink()
    (out / "file").write_text("")
    with pytest.raises(StorageError, match="out/file"):
        translate_files(loaded("srgan"), folder, out / "file", direction="a_to_b", tile=None)
    Image.new("RGB", (5, 9)).save(folder / "small.png")
    with pytest.raises(RecipeError, match=r"in/small.png: expected images of 8 pixels or more each way, got 5 x 9$"):
        translate_files(loaded("srgan"), folder / "small.png", out, direction="a_to_b", tile=None)
    with pytest.raises(RecipeError, match="^translate: system 'srgan' knows the direction a_to_b"):
        translate_files(loaded("srgan"), folder, out, direction="b_to_a", tile=None)
    (folder / "small.png").unlink()
    (folder / "a.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match="a.png"):
        translate_files(loaded("srgan"), folder, out, direction="a_to_b", tile=None)
    with pytest.raises(RecipeError, match="the last a mask"):
        translate_files(loaded("inpainting_gan"), folder, out, direction="a_to_b", tile=None)


def test_it_says_that_it_translates(loaded, folder_of):
    translator = loaded("srgan")
    assert "translates images of 3x8x8" in repr(translator)
    card = model_card(translator.stored.config)
    assert 'pipeline_tag: "image-to-image"' in card
    assert "It translates images of 3 channels, trained at 8 x 8 pixels." in card
    assert "g.translate(images).grid()" in card
    assert "g.sample" not in card
    with pytest.raises(RecipeError, match="the last a mask"):
        serve(loaded("inpainting_gan"))


def test_the_command_translates_a_folder(folder_of, tmp_path):
    Image.new("RGB", (9, 12), "red").save(tmp_path / "a.png")
    given = ["translate", str(folder_of("srgan")), str(tmp_path / "a.png"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, given)
    assert done.exit_code == 0, done.output
    assert done.output.startswith("1 image translated by ")
    assert Image.open(tmp_path / "out/a.png").size == (18, 24)
    done = CliRunner().invoke(main, ["translate", str(folder_of("dcgan")), str(tmp_path / "a.png")])
    assert done.exit_code == 1
    assert "makes images from latents" in done.output
    done = CliRunner().invoke(main, ["sample", str(folder_of("srgan")), "--out", str(tmp_path / "s")])
    assert (done.exit_code, len(done.output.strip().splitlines())) == (1, 1)
    assert "use translate(images)" in done.output


def with_recipe(translator, **given):
    stored = translator.stored
    about = {**stored.about, "recipe": {"input": given}}
    return Translator(replace(stored, config={**stored.config, "about": about}))


def test_images_of_any_size_are_measured_beside_bicubic_enlargement(loaded, tmp_path):
    draw = np.random.default_rng(0)
    for name, (height, width) in (("a.png", (31, 40)), ("b.bmp", (64, 26))):
        Image.fromarray(draw.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(tmp_path / name)
    found = measure_files(with_recipe(loaded("srgan"), kind="downsampled", factor=2), tmp_path)
    scores = found.scores
    assert (found.images, found.with_ssim, set(scores)) == (2, 2, {"translated", "bicubic"})
    wanted = []
    for name, (height, width) in (("a.png", (30, 40)), ("b.bmp", (64, 26))):
        image = Image.open(tmp_path / name).crop((0, 0, width, height))
        small = np.asarray(image.resize((width // 2, height // 2), Image.Resampling.BICUBIC)).astype(float)
        large = Image.fromarray(small.astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
        error = (np.asarray(image).astype(float) - np.asarray(large).astype(float))[2:-2, 2:-2]
        wanted.append(10 * np.log10(255**2 / (error**2).mean()))
    assert scores["bicubic"]["psnr"] == pytest.approx(np.mean(wanted), abs=0.02)
    assert scores["translated"]["psnr"] < scores["bicubic"]["psnr"]  # it is untrained
    assert {"psnr_y", "ssim_y", "ssim"} <= scores["translated"].keys()
    lines = found.as_text().splitlines()
    assert lines[0] == "2 images"
    assert lines[1].split() == ["psnr_y", "ssim_y", "psnr", "ssim"]
    assert f"{scores['bicubic']['psnr']:.2f}" in lines[3].split()
    assert len(lines) == 4


def test_images_below_the_window_of_ssim_leave_that_of_the_others(loaded, tmp_path):
    draw = np.random.default_rng(0)
    for name, size in (("a.png", 32), ("b.png", 40)):
        Image.fromarray(draw.integers(0, 256, (size, size, 3), dtype=np.uint8)).save(tmp_path / name)
    translator = with_recipe(loaded("pix2pix"), kind="blurred", sigma=1.0)
    alone = measure_files(translator, tmp_path)
    Image.fromarray(draw.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(tmp_path / "small.png")
    found = measure_files(translator, tmp_path)
    assert (found.images, found.with_ssim) == (3, 2)
    assert found.scores["translated"]["ssim"] == pytest.approx(alone.scores["translated"]["ssim"])
    assert found.scores["translated"]["psnr"] != alone.scores["translated"]["psnr"]
    assert found.as_text().splitlines()[-1] == "SSIM of 2 of 3; the others have a side below 11 pixels"
    only = measure_files(translator, tmp_path / "small.png")
    assert (only.with_ssim, {"psnr", "psnr_y"}) == (0, only.scores["translated"].keys())


def test_an_image_that_is_too_small_to_be_measured_is_named(loaded, tmp_path):
    translator = with_recipe(loaded("srgan"), kind="downsampled", factor=2)
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    for size in ((40, 15), (17, 14), (1, 1)):
        Image.new("RGB", size).save(tmp_path / "small.png")
        with pytest.raises(RecipeError, match=r"small.png is \d+ x \d+, expected at least 16 pixels each way"):
            measure_files(translator, tmp_path)
    Image.new("RGB", (17, 16)).save(tmp_path / "small.png")
    assert measure_files(translator, tmp_path).images == 2


def test_a_blur_wider_than_an_image_is_measured(loaded, tmp_path):
    for name, size in (("wide.png", (40, 9)), ("high.png", (9, 40))):
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)).save(tmp_path / name)
    assert measure_files(with_recipe(loaded("pix2pix"), kind="blurred", sigma=5.0), tmp_path).images == 2


def test_what_restores_nothing_is_not_measured(loaded, tmp_path):
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    for given in ({"kind": "masked", "hole": 4}, {"kind": "domain", "dataset": "x"}):
        with pytest.raises(RecipeError, match="where a recipe damages the whole of them"):
            measure_files(with_recipe(loaded("srgan"), **given), tmp_path)
    with pytest.raises(RecipeError, match="does not say what it restores"):
        measure_files(loaded("dcgan"), tmp_path)
