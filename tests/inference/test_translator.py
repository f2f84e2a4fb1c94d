"""A loaded translator: images of any size, tiles, directions, files; what needs latents is refused in one line."""

import numpy as np
import pytest
import torch
from PIL import Image

from papergan.errors import DataError, RecipeError
from papergan.inference import Translator
from papergan.inference.translated_files import translate_files


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


def test_tiles_are_put_together_to_the_whole(loaded):
    translator, images = loaded("srgan"), torch.rand(1, 3, 100, 90) * 2 - 1
    whole, tiled = (translator.translate(images, tile=tile).tensor for tile in (None, 40))
    assert whole.shape == tiled.shape == (1, 3, 200, 180)
    torch.testing.assert_close(whole, tiled, atol=1e-5, rtol=0)  # it sees 20 pixels around, of 32 that it is given


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


def test_files_of_a_folder_become_files_of_the_same_name(loaded, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name, size in (("a.png", (20, 12)), ("b.jpg", (9, 30))):
        Image.new("RGB", size, "red").save(folder / name)
    (folder / "notes.txt").write_text("not an image")
    paths = translate_files(loaded("srgan"), folder, out, direction="a_to_b", tile=None)
    assert [path.name for path in paths] == ["a.png", "b.png"]
    assert [Image.open(path).size for path in paths] == [(40, 24), (18, 60)]
    (folder / "a.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match="a.png"):
        translate_files(loaded("srgan"), folder, out, direction="a_to_b", tile=None)
    with pytest.raises(RecipeError, match="the last a mask"):
        translate_files(loaded("inpainting_gan"), folder, out, direction="a_to_b", tile=None)
