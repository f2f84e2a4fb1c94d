"""The server: answers, every limit, a storm of requests, and requests that mean harm."""

import asyncio
import base64
import io
import json
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from inference.conftest import model_of
from papergan.command_line import main
from papergan.data.images import ImageSpec
from papergan.errors import RecipeError
from papergan.game.sampler import Sampler
from papergan.inference import Generator, load
from papergan.inference.model_folder import write_model
from papergan.serving import server
from papergan.serving.server import PAGE, create_app, serve
from papergan.serving.service import Limits

uvicorn = pytest.importorskip("uvicorn", reason="the extra papergan[serve] is not installed")
testclient = pytest.importorskip("starlette.testclient")

LIMITS = Limits(images=40, body=2000, waiting=3, seconds=20)


@pytest.fixture(scope="module")
def client(loaded):
    with testclient.TestClient(create_app(loaded("dcgan_labels"), LIMITS), base_url="http://localhost:8000") as client:
        yield client


def picture(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_samples_are_those_of_the_generator(client, loaded):
    wanted = loaded("dcgan_labels").sample(5, seed=3, labels=["cat", 2])
    asked = {"n": 5, "seed": 3, "labels": ["cat", 2]}
    answer = client.post("/sample", json={**asked, "format": "json"}).json()
    assert [one["index"] for one in answer["images"]] == [0, 1, 2, 3, 4]
    assert [one["label"] for one in answer["images"]] == ["cat", "7", "cat", "7", "cat"]
    images = [picture(base64.b64decode(one["png"])) for one in answer["images"]]
    assert np.array_equal(np.stack(images), wanted.images)
    plain = client.post("/sample", json=asked)
    assert plain.headers["content-type"] == "image/png"
    assert picture(plain.content).shape == (32, 48, 3)
    assert np.array_equal(picture(plain.content)[:16, :16], wanted.images[0])
    assert client.post("/sample", json={**asked, "format": "grid"}).content == wanted.grid().png()


def test_the_way_between_two_seeds(client, loaded):
    generator = loaded("dcgan_labels")
    answer = client.post("/interpolate", json={"seeds": [4, 5], "steps": 7, "label": "cat", "format": "json"}).json()
    images = [picture(base64.b64decode(one["png"])) for one in answer["images"]]
    assert len(images) == 7
    for image, seed in ((images[0], 4), (images[-1], 5)):
        assert np.array_equal(image, generator.sample(1, seed=seed, labels="cat").images[0])
    cut = client.post("/interpolate", json={"seeds": [4, 5], "steps": 40, "label": "cat", "truncation": 0.5,
                                            "format": "json"}).json()["images"]  # fmt: skip
    for image, seed in ((cut[0], 4), (cut[-1], 5)):
        wanted = generator.sample(1, seed=seed, labels="cat", truncation=0.5).images[0].astype(int)
        assert abs(picture(base64.b64decode(image["png"])).astype(int) - wanted).max() <= 1
    own = client.post("/interpolate", json={"seeds": [4, 5], "format": "json"}).json()["images"]
    start = generator.sample(1, seed=4)
    assert {one["label"] for one in own} == {start.name_of(0)}
    assert len(own) == 9


@pytest.mark.parametrize("colours", [1, 3])
def test_clips_are_film_strips(colours, tmp_path):
    write_model(tmp_path / "clips", model_of("mocogan", images=ImageSpec(4 * colours, 16, frames=4)))
    generator = load(tmp_path / "clips", "cpu")
    wanted = [np.asarray(strip) for strip in generator.sample(2).pil()]
    assert wanted[0].shape[:2] == (16, 64)
    with testclient.TestClient(create_app(generator, LIMITS), base_url="http://localhost") as client:
        for path, body in (("/sample", {"n": 2}), ("/interpolate", {"seeds": [0, 1], "steps": 3})):
            answer = client.post(path, json={**body, "format": "json"})
            assert answer.status_code == 200, answer.text
            strips = [picture(base64.b64decode(one["png"])) for one in answer.json()["images"]]
            assert np.array_equal(strips[0], wanted[0])
            assert {strip.shape for strip in strips} == {wanted[0].shape}


def test_card_health_and_model(client, loaded):
    assert client.get("/health").json() == {"status": "ok", "digest": loaded("dcgan_labels").digest}
    card = client.get("/card")
    assert card.headers["content-type"].startswith("text/markdown")
    assert "dcgan_labels_tiny" in card.text
    model = client.get("/model").json()
    assert (model["name"], model["about"][0][:22]) == ("dcgan_labels_tiny", "dcgan generator of 3x1")
    assert (model["classes"], model["most"]) == (["airplane", "cat", "7"], 40)


def test_the_page_loads_nothing_from_elsewhere(client):
    answer = client.get("/")
    assert answer.content == PAGE.read_bytes()
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in answer.text
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{", "the request is not JSON: Expecting property name"),
        ("", "the request is not JSON: Expecting value"),
        (b"\xff\xfe", "the request is not JSON"),
        ("[" * 1500, "the request is not JSON"),
        ("[]", "expected a mapping"),
        ("null", "expected a mapping"),
        ('{"truncation": NaN}', "the request is not JSON: NaN is not a number in JSON"),
        ('{"seed": -Infinity}', "the request is not JSON: -Infinity is not a number"),
        ('{"truncation": 1e999}', "request.truncation: Input should be a finite number"),
        ('{"truncation": 0}', "request.truncation: "),
        ('{"n": 0}', "request.n: Input should be greater than or equal to 1, got 0"),
        ('{"n": 41}', "n: at most 40 images in a request, got 41"),
        ('{"n": 1000000000}', "n: at most 40 images"),
        ('{"n": %s}' % ("9" * 400), "n: at most 40 images"),
        ('{"n": 2.5}', "request.n: "),
        ('{"n": true}', "request.n: "),
        ('{"n": "4"}', "request.n: "),
        ('{"seed": -1}', "request.seed: "),
        ('{"seed": 9223372036854775808}', "request.seed: "),
        ('{"labels": "dog"}', "unknown class 'dog'"),
        ('{"labels": 3}', "class 3 does not exist"),
        ('{"labels": []}', "labels: expected one class or more"),
        ('{"labels": {"a": 1}}', "request.labels"),
        ('{"format": "gif"}', "request.format: "),
        ('{"sed": 1}', "unknown key 'sed'; did you mean 'seed'?"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line(client, body, said):
    answer = client.post("/sample", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert said in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]
    assert len(answer.json()["detail"]) < 1000


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"seeds": [1]}, "request.seeds"), ({"seeds": [1, 2, 3]}, "request.seeds"), ({}, "request.seeds: is missing"),
        ({"seeds": [1, 2], "steps": 1}, "request.steps"), ({"seeds": [1, 2], "steps": 41}, "steps: at most 40 images"),
        ({"seeds": [1, 2], "label": "dog"}, "unknown class 'dog'"), ({"seeds": [1, 2], "truncation": 0}, "truncation"),
    ],
)  # fmt: skip
def test_wrong_ways_are_one_line(client, body, said):
    answer = client.post("/interpolate", json=body)
    assert (answer.status_code, said in answer.json()["detail"]) == (400, True)


def test_a_generator_without_classes(loaded):
    with testclient.TestClient(create_app(loaded("dcgan"), LIMITS), base_url="http://127.0.0.1") as client:
        answer = client.post("/sample", json={"labels": 1})
        assert (answer.status_code, "knows no classes" in answer.json()["detail"]) == (400, True)
        assert client.get("/model").json()["classes"] == []
        images = client.post("/interpolate", json={"seeds": [0, 1], "format": "json"}).json()["images"]
        assert {one["label"] for one in images} == {None}
        narrow = client.post("/sample", json={"truncation": 0.5, "n": 2, "format": "grid"})
        assert narrow.content == loaded("dcgan").sample(2, truncation=0.5).grid().png()


def test_a_mixture_walks_with_the_member_of_its_start(loaded):
    with testclient.TestClient(create_app(loaded("mix_wgan"), LIMITS), base_url="http://127.0.0.1") as client:
        images = client.post("/interpolate", json={"seeds": [0, 1], "steps": 3, "format": "json"}).json()["images"]
    start, end = (loaded("mix_wgan").sample(1, seed=seed) for seed in (0, 1))
    way = loaded("mix_wgan").interpolate(start.latents, end.latents, steps=3, members=start.members)
    assert np.array_equal(np.stack([picture(base64.b64decode(one["png"])) for one in images]), way.images)
    assert start.members != end.members  # else this shows nothing


def test_a_large_body_is_refused_before_it_is_read(client):
    answer = client.post("/sample", json={"labels": ["cat"] * 1000})
    assert (answer.status_code, answer.json()["detail"]) == (413, "the request has more than 2000 bytes")


def test_other_content_methods_and_names(client):
    answer = client.post("/sample", content='{"n": 1}', headers={"Content-Type": "text/plain"})  # as a foreign form may
    assert (answer.status_code, answer.json()["detail"]) == (415, "expected Content-Type: application/json")
    assert client.get("/sample").status_code == 405
    for name in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8000", ""):
        answer = client.get("/card", headers={"Host": name})
        assert (answer.status_code, "does not answer as" in answer.json()["detail"]) == (421, True)
    for name in ("localhost", "127.0.0.1:8000", "[::1]:8000"):
        assert client.get("/health", headers={"Host": name}).status_code == 200


def test_a_public_server_answers_under_any_name(loaded):
    with testclient.TestClient(create_app(loaded("dcgan"), public=True), base_url="http://gan.example") as client:
        assert client.get("/health").status_code == 200


def as_png(image: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def test_an_image_that_is_sent_comes_back_translated(loaded):
    image = np.random.default_rng(0).integers(0, 256, (20, 33, 3), dtype=np.uint8)
    sent, png = as_png(image), {"Content-Type": "image/png"}
    for name, directions in (("srgan", ["a_to_b"]), ("cyclegan", ["a_to_b", "b_to_a"])):
        app = create_app(loaded(name), Limits(picture=5000, pixels=40 * 40))
        with testclient.TestClient(app, base_url="http://localhost:8000") as client:
            model = client.get("/model").json()
            assert (model["directions"], model["most"], model["bytes"]) == (directions, 1600, 5000)
            assert model["channels"] == dict.fromkeys(directions, 3)
            for direction in directions:
                answer = client.post(f"/translate?direction={direction}", content=sent, headers=png)
                assert answer.headers["content-type"] == "image/png"
                wanted = loaded(name).translate(image[None], direction=direction).images[0]
                assert np.array_equal(picture(answer.content), wanted)
            assert client.post("/translate", content=sent, headers=png).status_code == 200
            for path, content, headers, status, said in (
                ("?direction=up", sent, png, 400, "direction: expected a_to_b"),
                ("", sent, {"Content-Type": "text/plain"}, 415, "Content-Type: image/png"),
                ("", b"nothing", png, 400, "the image is not a whole PNG, JPEG, BMP or WebP image"),
                ("", b"x" * 6000, png, 413, "more than 5000 bytes"),
                ("", as_png(np.zeros((41, 40, 3), np.uint8)), png, 413, "at most 1,600 pixels, got 40 x 41"),
                ("", as_png(np.zeros((4, 4, 3), np.uint8)), png, 400, "expected images of 8 pixels or more"),
            ):
                answer = client.post(f"/translate{path}", content=content, headers=headers)
                assert answer.status_code == status, answer.text
                assert said in answer.json()["detail"]
                assert "leave it out" not in answer.text
            assert client.post("/sample", json={}).status_code in (404, 405)
            assert "Translate an image" in client.get("/").text


@contextmanager
def running(generator: Generator, limits: Limits):
    """A real server on a free port of the loopback; its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(generator, limits), log_level="critical", limit_concurrency=limits.connections)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()
    assert not thread.is_alive()


def post(address: str, body: dict[str, object]) -> tuple[int, bytes]:
    request = urllib.request.Request(
        f"{address}/sample", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def wait_for(address: str, status: int) -> None:
    deadline = time.monotonic() + 10
    while post(address, {"n": 1})[0] != status:
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Slow:
    """A generator that waits before each batch, and counts."""

    def __init__(self, generator: Generator, seconds: float) -> None:
        self.generator, self.seconds, self.batches, self.at_once, self.most = generator, seconds, 0, 0, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.generator, name)

    def stream(self, *arguments: object, **settings: object):
        for part in self.generator.stream(*arguments, **settings):
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            time.sleep(self.seconds)
            self.batches += 1
            self.at_once -= 1
            yield part


def test_a_storm_is_turned_away_and_the_server_goes_on(loaded):
    slow = Slow(loaded("dcgan"), 0.1)
    with running(slow, Limits(waiting=3, seconds=20)) as address:
        with ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(lambda seed: post(address, {"n": 1, "seed": seed}), range(40)))
        told = Counter(status for status, _ in answers)
        assert told.keys() == {200, 503}
        assert told[200] >= 4
        assert slow.most == 1  # one thread for torch
        busy = [json.loads(content)["detail"] for status, content in answers if status == 503]
        assert set(busy) == {"busy: 3 requests are waiting already; try again in a moment"}
        for (status, content), seed in zip(answers, range(40), strict=True):
            if status == 200:
                assert np.array_equal(picture(content), slow.generator.sample(1, seed=seed).images[0])
        assert post(address, {"n": 2})[0] == 200


def test_a_request_ends_at_its_limit_of_time_and_frees_its_place(loaded):
    slow = Slow(loaded("dcgan"), 0.25)
    with running(slow, Limits(waiting=0, seconds=0.4)) as address:
        status, content = post(address, {"n": 256})  # eight batches: two seconds
        assert (status, json.loads(content)["detail"].partition(";")[0]) == (503, "not done within 0.4 seconds")
        wait_for(address, 200)
        assert slow.batches <= 4  # it was left after the batch in which its time was over


def test_an_estimate_of_batch_norm_ends_at_the_limit_and_later_requests_finish_it(folder_of, monkeypatch):
    generator = load(folder_of("dcgan"), "cpu")
    wanted = load(folder_of("dcgan"), "cpu").sample(1, truncation=0.5).images[0]
    batches = []

    def slow(sampler, *arguments, latents=Sampler._sample_latents):
        batches.append(time.sleep(0.02))
        return latents(sampler, *arguments)

    monkeypatch.setattr(Sampler, "_sample_latents", slow)  # a hundred batches: two seconds
    with running(generator, Limits(waiting=0, seconds=0.8)) as address:
        status, content = post(address, {"n": 1, "truncation": 0.5})
        assert (status, "not done within 0.8 seconds" in json.loads(content)["detail"]) == (503, True)
        wait_for(address, 200)
        assert 10 < len(batches) < 60  # it was left after the batch in which its time was over
        deadline = time.monotonic() + 20
        while (answer := post(address, {"n": 1, "truncation": 0.5}))[0] != 200:
            assert time.monotonic() < deadline
        assert np.array_equal(picture(answer[1]), wanted)


def test_a_body_that_never_arrives_is_not_waited_for(loaded):
    with running(loaded("dcgan"), Limits(seconds=0.3)) as address:
        with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=10) as line:
            line.sendall(
                b"POST /sample HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: 10\r\n\r\n{"
            )
            assert line.recv(1000).startswith(b"HTTP/1.1 408 ")
        assert post(address, {"n": 1})[0] == 200


def test_a_client_that_leaves_within_its_request_is_no_error_of_the_server(loaded):
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", b"10")]
    scope = {
        "type": "http", "method": "POST", "path": "/sample", "query_string": b"", "headers": headers, "root_path": "",
    }  # fmt: skip
    messages, sent = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}], []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(create_app(loaded("dcgan"), LIMITS)(scope, receive, send))  # an error would be logged with a traceback
    assert sent[0]["status"] == 400


def test_connections_are_limited(loaded):
    with running(loaded("dcgan"), Limits(connections=3)) as address:
        port = int(address.rpartition(":")[2])
        held = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(4)]
        wait_for(address, 503)
        for line in held:
            line.close()
        wait_for(address, 200)


@pytest.mark.parametrize("host", ["192.168.0.7", "gan.example", "", "::", ".".join("0000")])
def test_other_machines_get_in_only_where_that_is_said(loaded, host):
    with pytest.raises(RecipeError, match=r"can be reached from other machines.*public=True \(--public\)"):
        serve(loaded("dcgan"), host)


def test_a_port_that_is_taken_is_one_line(loaded):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RecipeError, match=rf"^cannot listen on '127.0.0.1', port {port}: Address already in use; "):
            serve(loaded("dcgan"), port=port)
    with pytest.raises(RecipeError, match="cannot listen on '127.0.0.1', port 70000: "):
        serve(loaded("dcgan"), port=70000)


@pytest.mark.parametrize("package", ["fastapi", "uvicorn"])
def test_a_missing_package_is_one_line(loaded, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RecipeError, match=r"^serving needs fastapi and uvicorn: pip install 'papergan\[serve\]'$"):
        serve(loaded("dcgan"))


@pytest.mark.parametrize(("host", "address"), [("::1", "http://[::1]:8000"), ("127.0.0.1", "http://127.0.0.1:8000")])
def test_the_command_shows_an_address_that_a_browser_takes(folder_of, monkeypatch, host, address):
    monkeypatch.setattr(server, "serve", lambda *_, listening, **__: listening())
    shown = CliRunner().invoke(main, ["serve", str(folder_of("dcgan")), "--host", host])
    assert shown.output.startswith(f"{address} serves ")
