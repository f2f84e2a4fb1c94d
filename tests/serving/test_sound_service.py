"""The server of a generator of sounds."""

import base64
import io

import pytest
from scipy.io import wavfile

from inference.sound_models import stored
from papergan.errors import RecipeError
from papergan.inference import SoundGenerator, Vocoder
from papergan.serving.server import create_app
from papergan.serving.service import Limits

testclient = pytest.importorskip("starlette.testclient")


@pytest.fixture(scope="module")
def client():
    app = create_app(SoundGenerator(stored("wavegan")), Limits(images=4))
    with testclient.TestClient(app, base_url="http://localhost:8000") as client:
        yield client


def test_sounds_are_those_of_the_generator(client):
    wanted = SoundGenerator(stored("wavegan")).sample(3, seed=2)
    answer = client.post("/sample", json={"n": 3, "seed": 2, "format": "json"}).json()
    assert answer["digest"] == stored("wavegan").config["digest"]
    assert [one["index"] for one in answer["sounds"]] == [0, 1, 2]
    for index, one in enumerate(answer["sounds"]):
        rate, samples = wavfile.read(io.BytesIO(base64.b64decode(one["wav"])))
        assert (rate, samples.tolist()) == (8000, wanted.samples[index].tolist())
    one = client.post("/sample", json={"seed": 2})
    assert one.headers["content-type"] == "audio/wav"
    assert one.content == wanted.wav(0)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"n": 5, "format": "json"}, "n: at most 4 sounds in a request, got 5"),
        ({"n": 2}, "n: a WAV file is of one sound, got 2"),
        ({"n": 0}, "n: "),
        ({"labels": 1}, "unknown key 'labels'"),
        ({"format": "png"}, "format"),
    ],
)
def test_other_requests_are_refused_in_one_line(client, body, message):
    answer = client.post("/sample", json=body)
    assert answer.status_code in (400, 422)
    assert message in answer.json()["detail"]


def test_the_page_may_play_sounds_and_asks_what_there_is(client):
    page = client.get("/")
    assert "media-src data:" in page.headers["content-security-policy"]
    assert "beginListening" in page.text
    model = client.get("/model").json()
    assert (model["rate"], model["seconds"], model["most"]) == (8000, 0.128, 4)
    assert "sound_study, wavegan" in model["name"]
    assert client.post("/interpolate", json={"seeds": [0, 1]}).status_code == 404
    assert client.get("/health").json()["status"] == "ok"
    assert "drawn_sounds/train" in client.get("/card").text


def test_a_vocoder_is_not_served():
    with pytest.raises(RecipeError, match="is given sounds and is not served"):
        create_app(Vocoder(stored("melgan")))
