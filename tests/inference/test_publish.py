"""Publishing: dry runs, a fake Hub on the loopback, and refusals."""

import base64
import hashlib
import json
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest
import torch

import papergan
from inference.conftest import model_of
from inference.sound_models import stored
from inference.test_vector_model import vector_model
from papergan.errors import CheckpointError, RecipeError
from papergan.inference.model_folder import StoredModel, encode_model, write_model
from papergan.inference.publish import PublishError, publish
from papergan.inference.store import diverged_model

COMMIT = "a" * 40


class FakeHub(ThreadingHTTPServer):
    """The part of the Hub that takes a repository, a commit, and gives the files back."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files: dict[str, bytes] = {}
        self.created: list[dict[str, object]] = []
        self.tokens: set[str | None] = set()
        self.status = 200

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: FakeHub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.tokens.add(self.headers.get("Authorization"))
        if self.server.status != 200:
            return self.send({"error": "refused\nfor a reason"}, self.server.status)
        if self.path == "/api/repos/create":
            self.server.created.append(json.loads(body))
            return self.send({"url": f"{self.server.address}/lab/gan"})
        if self.path.startswith("/api/models/lab/gan/preupload/"):
            files = [{"path": one["path"], "uploadMode": "regular"} for one in json.loads(body)["files"]]
            return self.send({"files": [{**one, "shouldIgnore": False} for one in files]})
        if self.path.startswith("/api/models/lab/gan/commit/"):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.server.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return self.send({"commitUrl": f"{self.server.address}/lab/gan/commit/{COMMIT}", "commitOid": COMMIT})
        self.send({})

    def do_GET(self) -> None:
        if self.path.startswith("/api/models/lab/gan/tree/"):
            return self.send([self.entry(name) for name in self.server.files])
        if self.path.startswith("/api/models/lab/gan"):
            names = [{"rfilename": name} for name in self.server.files]
            return self.send({"id": "lab/gan", "sha": COMMIT, "siblings": names})
        content = self.server.files.get(unquote(self.path.rpartition("/")[2]))
        if content is None:
            return self.send({"error": "Repository not found"}, 404)
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        self.send(content, headers=headers)

    do_HEAD = do_GET  # noqa: N815

    def entry(self, name: str) -> dict[str, object]:
        content = self.server.files[name]
        return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha256(content).hexdigest()}

    def send(self, content: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch, tmp_path):
    constants = pytest.importorskip("huggingface_hub.constants", reason="the extra papergan[hub] is not installed")
    server = FakeHub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", server.address)  # what HF_ENDPOINT is read into, once, and the next too
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.partition("/{")
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{server.address}/{{{template[2]}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(tmp_path) -> Path:
    write_model(tmp_path / "model", model_of("dcgan"))
    (tmp_path / "model" / "samples.png").write_bytes(papergan.load(tmp_path / "model", "cpu").sample(4).grid().png())
    (tmp_path / "model" / "private.txt").write_text("nothing for others")
    return tmp_path / "model"


FILES = ["README.md", "config.json", "model.safetensors", "samples.png"]


def test_a_dry_run_sends_nothing_and_says_what_would_be(hub, folder):
    plan = publish(folder, "hf://lab/gan")
    assert [one.name for one in plan.files] == FILES
    weights = plan.files[2]
    assert weights.digest == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    said = str(plan).splitlines()
    assert said[0] == "nothing was sent; hf://lab/gan would get:"
    assert said[3].split() == ["model.safetensors", f"{weights.size:,}", "bytes", "sha256", weights.digest]
    assert "  | # dcgan_tiny" in said
    assert (hub.created, hub.files, hub.tokens) == ([], {}, set())


def test_what_was_published_loads_from_there(hub, folder):
    done = publish(folder, "hf://lab/gan", dry_run=False, private=True)
    assert str(done).startswith(f"sent to hf://lab/gan: {hub.address}/lab/gan/commit/{COMMIT}")
    assert [one["name"] for one in hub.created] == ["gan"]
    assert hub.created[0]["visibility"] == "private"
    assert hub.tokens == {"Bearer hf_of_a_test"}
    assert {one.name: one.digest for one in done.files} == {
        name: hashlib.sha256(content).hexdigest() for name, content in hub.files.items()
    }
    assert b'papergan.load("hf://lab/gan")' in hub.files["README.md"]
    there, here = papergan.load("hf://lab/gan", "cpu"), papergan.load(folder, "cpu")
    assert there.digest == here.digest
    assert there.stored.card.encode() == hub.files["README.md"]
    assert there.stored.picture == (folder / "samples.png").read_bytes()
    assert torch.equal(there.sample(3, seed=1).tensor, here.sample(3, seed=1).tensor)


def test_a_card_names_the_place_where_it_is_read(tmp_path):
    """The card of an experiment has a path of the machine that trained it."""
    model = model_of("gan")
    card = 'Mine\n\n```python\nimport papergan\n\ng = papergan.load("data/06_models/x")\ng.sample(64)\n```\n'
    write_model(tmp_path / "model", type(model)(model.tensors, model.config, card))
    plan = publish(tmp_path / "model", "hf://lab/gan")
    assert plan.card == card.replace("data/06_models/x", "hf://lab/gan")


def test_a_card_that_is_there_is_kept(tmp_path):
    model = model_of("gan")
    write_model(tmp_path / "model", type(model)(model.tensors, model.config, "# Mine\n"))
    plan = publish(tmp_path / "model", "hf://lab/gan")
    assert plan.card == "# Mine\n"
    assert plan.files[0].size == 7
    assert [one.name for one in plan.files] == FILES[:3]


def test_what_was_damaged_on_the_hub_is_noticed(hub, folder):
    publish(folder, "hf://lab/gan", dry_run=False)
    content = bytearray(hub.files["model.safetensors"])
    content[-1] ^= 1
    hub.files["model.safetensors"] = bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        papergan.load("hf://lab/gan", "cpu")


def test_a_damaged_model_is_not_sent(hub, folder):
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        publish(folder, "hf://lab/gan", dry_run=False)
    assert hub.created == []


@pytest.mark.parametrize("to", ["lab/gan", "hf://gan", "hf://lab/gan/more", "hf://-/x", "https://huggingface.co/a/b"])
def test_wrong_names(folder, to):
    with pytest.raises(RecipeError, match="^expected hf://ORGANISATION/NAME, got "):
        publish(folder, to, dry_run=False)


@pytest.mark.parametrize(
    ("status", "said"), [(401, "run `hf auth login`"), (403, "run `hf auth login`"), (400, "could not take it")]
)
def test_a_refusal_is_one_line(hub, folder, status, said):
    hub.status = status
    with pytest.raises(PublishError, match=said) as told:
        publish(folder, "hf://lab/gan", dry_run=False)
    assert "\n" not in str(told.value)
    assert hub.files == {}


def test_without_a_login_that_is_said(hub, folder, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    hub.status = 401  # what the Hub answers to nobody
    with pytest.raises(PublishError, match="not logged in"):
        publish(folder, "hf://lab/gan", dry_run=False)
    assert hub.tokens == {None}


def test_a_missing_package_is_one_line(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(RecipeError, match=r"^publishing needs huggingface_hub: pip install 'papergan\[hub\]'$"):
        publish(folder, "hf://lab/gan", dry_run=False)
    assert publish(folder, "hf://lab/gan").link is None


def published_alone(model: StoredModel, folder: Path) -> str:
    """The card of a file of weights that is published without its folder."""
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(encode_model(model))
    return publish(folder / "model.safetensors", "hf://lab/gan").card


@pytest.mark.parametrize("system", ["wavegan", "melgan", "gan"])
def test_a_file_of_sounds_or_vectors_gets_the_card_that_its_folder_has(system, tmp_path):
    model = vector_model() if system == "gan" else stored(system)
    card = published_alone(model, tmp_path / "m")
    # the settings in a file are sorted
    lines, wanted = (
        sorted(line.rstrip(",") for line in text.splitlines())
        for text in (card, model.card.replace("path/to/this/folder", "hf://lab/gan"))
    )
    assert lines == wanted
    assert 'papergan.load("hf://lab/gan")' in card


def test_a_model_without_a_generator_is_refused(tmp_path):
    model = diverged_model("dcgan", "diverged at step 5", {})
    with pytest.raises(CheckpointError, match="no generator in this model: its training diverged at step 5"):
        published_alone(model, tmp_path / "file")
    write_model(tmp_path / "folder", model)
    with pytest.raises(CheckpointError, match="no generator in this model"):
        publish(tmp_path / "folder", "hf://lab/gan")


@pytest.mark.parametrize("changes", [{"image": {}}, {"about": {"metrics": {"fid": "abc"}}}, {"sound": {}}])
def test_a_card_of_an_odd_configuration_is_one_line(changes, tmp_path):
    model = model_of("dcgan") if "sound" not in changes else stored("wavegan")
    with pytest.raises(CheckpointError, match="the configuration of this model is damaged"):
        published_alone(replace(model, config={**model.config, **changes}), tmp_path / "m")
