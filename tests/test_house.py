"""The house rules that need code of ours: nothing unsafe, nothing private. Style, types and layers: `make lint`."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def source_files() -> list[Path]:
    return [*ROOT.glob("src/**/*.py"), *ROOT.glob("conf/**/*.yml")]


@pytest.mark.parametrize(
    "unsafe",
    [
        r"nan_to_num",
        r"weights_only\s*=\s*False",
        r"allow_pickle\s*=\s*True",
        r"\bpickle\.load|\bjoblib\b|\bdill\b",
        r"0\.0\.0\.0",
        r"verify\s*=\s*False",
        r"unsafe_load|FullLoader|UnsafeLoader|yaml\.Loader",
    ],
)
def test_nothing_unsafe(unsafe):
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in source_files()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(unsafe, line)
    ]
    assert not found


NEVER = {("eval",), ("exec",), ("__import__",), ("torch.jit", "load"), ("torch.hub", "load")}
UNPICKLE = {"pickle", "cloudpickle", "joblib", "dill", "marshal", "shelve"}
MUST_SAY = {
    ("torch", "load"): ("weights_only", "True"),
    ("np", "load"): ("allow_pickle", "False"),
    ("numpy", "load"): ("allow_pickle", "False"),
    ("npy", "read_array"): ("allow_pickle", "False"),
    ("yaml", "load"): ("Loader", "loader"),  # which is named in experiments, the only place: see `test_experiments`
}


def unsafe_calls(code: str) -> list[str]:
    """What in Python code could run code that is in data."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found += [f"import {name}" for name in names if name.split(".")[0] in UNPICKLE]
        if not isinstance(node, ast.Call):
            continue
        called = tuple(ast.unparse(node.func).rsplit(".", 1))
        said = {(word.arg, ast.unparse(word.value)) for word in node.keywords}
        if called in NEVER or MUST_SAY.get(called, ("", "")) not in {*said, ("", "")}:
            found.append(ast.unparse(node))
        if called == ("importlib", "import_module") and ast.unparse(node.args[0]) != "f'{__name__}.{name}'":
            found.append(ast.unparse(node))
    return found


def test_no_code_comes_from_data():
    files = {*ROOT.glob("src/**/*.py"), *ROOT.glob("benchmarks/**/*.py")}
    files -= set(ROOT.glob("benchmarks/peers/*.py"))  # whose purpose is to run the code that their user names
    assert not {str(path): calls for path in sorted(files) if (calls := unsafe_calls(path.read_text()))}


@pytest.mark.parametrize(
    "code",
    [
        "import pickle", "from joblib import load", "torch.load(a)", "torch.load(a, weights_only=False)", "np.load(a)",
        "yaml.load(a, Loader=yaml.Loader)", "eval(a)", "exec(a)", "importlib.import_module(name)", "import dill.x",
    ],
)  # fmt: skip
def test_unsafe_code_would_be_seen(code):
    assert unsafe_calls(code)


OPENS = {
    "open", "os.open", "io.open", "safe_open", "ParquetFile", "read_schema", "read_metadata", "torch.load", "np.load",
    "ZipFile", "zipfile.ZipFile", "TTFont", "Image.open", "npy.open_memmap", "np.memmap", "np.fromfile", "np.loadtxt",
    "OmegaConf.load", "load_file", "pd.read_csv", "pd.read_parquet", "pd.read_json", "os.popen", "fileinput.input",
}  # fmt: skip
READS = {"read_bytes", "read_text", "open"}  # methods of a path, and of many other things
LOOKED_AT_BEFORE = {  # by file: what is opened there, and why it is a regular file
    "atomic_files.py": {"os.open": "in open_regular, which looks; and for writing"},
    "file_locks.py": {"os.open": "looked at once it is open, without following links"},
    "data/memory.py": {"_MEMINFO.read_text": "the kernel's own"},
    "tracking/provenance.py": {"open": "the kernel's own"},
    "training/checkpoint_files.py": {"torch.load": "bytes that were read"},
    "extractors/pretrained.py": {
        "zipfile.ZipFile": "of open_regular", "torch.load": "of open_regular",
    },
    "networks/autoencoders/resnet18.py": {"torch.load": "of open_regular"},
    "training/process_group.py": {"torch.load": "bytes of another process"},
    "data/images.py": {"safe_open": "after check_regular"},
    "data/input_images.py": {"safe_open": "after check_regular"},
    "maintenance/rules.py": {"safe_open": "after check_regular"},
    "data/parquet.py": {"ParquetFile": "after check_regular"},
    "data/collection.py": {"zipfile.ZipFile": "after check_regular"},
    "data/drawn/emoji.py": {"TTFont": "after check_regular", "Image.open": "bytes that were read"},
    "data/array_file.py": {
        "ZipFile": "data/folder.py passes regular files only", "npy.open_memmap": "as above",
        "archive.open": "a member of it",
    },
    "studies/worker.py": {"path.read_bytes": "the package's own files"},
    "data/decoding.py": {"Image.open": "data/folder.py, collection.py and socofing.py pass regular files only"},
    "data/download.py": {"_opener().open": "an answer from the network"},
    "datasets/picture.py": {"Image.open": "bytes that were read"},
    "hooks/config_loader.py": {
        "OmegaConf.load": "configuration that Kedro has opened before", "tarfile.open": "bytes that were read",
    },
    "hooks/experiment_checks.py": {"checkpoints.open": "opens a store, no file"},
    "hooks/validation.py": {"checkpoints.open": "opens a store, no file"},
    "hooks/run_plan.py": {"checkpoints.open": "opens a store, no file"},
    "inference/unfinished_archive.py": {
        "self._path(name).open": "a file that `count` has found regular, or a new one", "np.memmap": "as above",
    },
    "reporting/image_grid.py": {"Image.open": "bytes that were read"},
    "pipelines/experiment/nodes/training.py": {"checkpoints.open": "opens a store, no file"},
    "vectors/tables.py": {"pd.read_csv": "bytes that were read", "pd.read_parquet": "as above"},
    "datasets/trial_results.py": {"self.checkpoints.open": "opens a store, no file"},
    "studies/experiment_trials.py": {"self.checkpoints.open": "opens a store, no file"},
}  # fmt: skip


def opened(code: str) -> set[str]:
    """Calls in Python code that may open a file by its path."""
    calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)}
    return {call for call in calls if call in OPENS or ("." in call and call.rsplit(".", 1)[1] in READS)}


def test_nothing_is_read_that_may_be_a_pipe_or_a_device():
    source = ROOT / "src" / "papergan"
    found = {str(path.relative_to(source)): opened(path.read_text()) for path in source.glob("**/*.py")}
    bare = {name: calls - set(LOOKED_AT_BEFORE.get(name, ())) for name, calls in found.items()}
    assert {name: calls for name, calls in bare.items() if calls} == {}  # see files.read_regular


@pytest.mark.parametrize("code", ["open(a)", "a.read_text()", "b.path.read_bytes()", "Path(a).open()", "np.load(a)"])
def test_a_bare_read_would_be_seen(code):
    assert opened(code)


def test_files_stay_short():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in ROOT.glob("src/**/*.py")
        if (lines := len(path.read_text().splitlines())) > 260
    }
    assert not long


GENERIC_SOURCES = {  # by file of the kernel: what may be cited there, and why it belongs to no paper's system
    "augmentation.py": {"Zhao et al. 2020, arXiv:2006.10738": "differentiable augmentation, an option of any game"},
    "discriminator_input.py": {
        "Dumoulin et al. 2017, arXiv:1606.00704": "pairs of image and latent, for any game with an encoder",
        "Mirza and Osindero 2014, arXiv:1411.1784": "class-conditional discrimination",
        "Lin et al. 2018, arXiv:1712.04086": "packed discrimination, an option of any game",
    },
    "ema.py": {"Karras et al. 2018, arXiv:1710.10196": "averaging of a generator's weights"},
    "optimisers.py": {
        "Kingma and Ba 2015, arXiv:1412.6980": "an optimiser", "Polyak 1964": "an optimiser",
        "Hinton 2012": "an optimiser", "Duchi, Hazan and Singer 2011": "an optimiser",
        "Zeiler 2012,\n    arXiv:1212.5701": "an optimiser",
        "Arjovsky et al. 2017, arXiv:1701.07875": "weight clipping",
    },
    "updates.py": {"Mescheder et al. 2018 (arXiv:1801.04406)": "the names of the two orders of updates"},
    "style_generator.py": {
        "Karras et al. 2019 (arXiv:1812.04948)": "a mapping network before any synthesis, truncation of its styles",
    },
    "priors.py": {
        "Brock et al. 2019, arXiv:1809.11096": "truncation of a prior", "Shoemake 1985": "spherical interpolation",
        "White 2016, arXiv:1609.04468": "spherical interpolation",
    },
    "sampler.py": {"Brock et al. 2019, arXiv:1809.11096": "BatchNorm statistics of an average"},
    "schedules.py": {"Karras et al. 2020, arXiv:1912.04958": "lazy regularisation, half-life of an average"},
}  # fmt: skip
SYSTEMS = "|".join(
    path.stem.replace("_", "[ _-]?")
    for path in ROOT.glob("src/papergan/systems/*.py")
    if path.stem not in ("__init__", "gan")
)
OF_A_PAPER = re.compile(
    rf"arxiv|\bet al\b|\bdoi\b|\bdocument 0|\bauthors\b|\b(?:19|20)\d\d\b|\b(?!papergan)\w+GAN\w*|\b(?:{SYSTEMS})\b",
    re.IGNORECASE,
)


def papers_in(text: str, generic: Iterable[str] = ()) -> list[str]:
    """Citations and names of systems in the text of a module, apart from these citations."""
    for source in generic:
        text = text.replace(source, "")
    return [text[max(0, found.start() - 30) : found.end() + 30] for found in OF_A_PAPER.finditer(text)]


def test_the_kernel_knows_no_paper():
    files = {path.name: path.read_text() for path in ROOT.glob("src/papergan/game/*.py")}
    assert files.keys() >= {"game.py", "training_step.py", *GENERIC_SOURCES}
    found = {name: papers_in(text, GENERIC_SOURCES.get(name, ())) for name, text in files.items()}
    assert {name: papers for name, papers in found.items() if papers} == {}
    unused = [(name, one) for name, sources in GENERIC_SOURCES.items() for one in sources if one not in files[name]]
    assert unused == []


@pytest.mark.parametrize(
    "text",
    ["arXiv:1701.07875", "Zhao et al.", "document 000, section V.C", "as in the authors' code", "(Hinton 2012)",
     "ALI", "the BEGAN balance", "a StyleGAN2-like net", "hybrid_fast", "wgan-gp"],
)  # fmt: skip
def test_a_paper_in_the_kernel_would_be_seen(text):
    assert papers_in(f"# the weights of {text}, one after another")
    assert papers_in("# the weights, one GAN after another") == []


def test_dependencies_are_pinned_without_hosts():
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.\-]+==[A-Za-z0-9_.+!\-]+", pin) for pin in pins)
    pinned = {pin.split("==")[0].lower().replace("_", "-") for pin in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
    ]
    assert {re.split("[><=~!]", one)[0].lower().replace("_", "-") for one in declared} <= pinned


def imported_names() -> set[str]:
    """Packages that the source imports, and those of the catalog's datasets."""
    names = set(re.findall(r"^  type: (\w+)", (ROOT / "conf/base/catalog.yml").read_text(), re.M))
    for path in ROOT.glob("src/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names - {"papergan", "pydantic_core"}  # the latter is a part of pydantic


EXTRAS = ("onnx", "serve", "hub", "sweeps", "ray")  # imported where they are needed, with a line that names the extra


def test_what_is_declared_is_what_is_imported():
    owners = packages_distributions()
    imported = {name: {one.lower().replace("_", "-") for one in owners.get(name, [name])} for name in imported_names()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split("[><=~!]", one)[0] for one in project["dependencies"]}
    extras = {
        re.split("[><=~!]", one)[0].lower().replace("_", "-")
        for name in EXTRAS
        for one in project["optional-dependencies"][name]
    }
    assert {name for name, packages in imported.items() if not packages & (declared | extras)} == set()
    assert declared - set().union(*imported.values()) == set()


def test_telemetry_is_off_in_the_projects_own_files():
    assert "consent: false" in (ROOT / ".telemetry").read_text()
    code = "import papergan.settings, os; assert os.environ['DO_NOT_TRACK'] == 'true' == os.environ[{!r}]"
    code = code.format("MLFLOW_DISABLE_TELEMETRY")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_map_of_the_house_is_the_tree():
    """Every room and every single file is in CONTRIBUTING.md and nothing else; files that it names are there."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    package = ROOT / "src" / "papergan"
    rooms = {path.parent.name for path in package.glob("*/__init__.py")}
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.M)) == rooms
    ground = re.search(r"as single files: (.*?)\.\n", text, re.S)
    assert ground
    loose = {path.stem for path in package.glob("*.py")}
    with_kedro = {"__init__", "__main__", "cli", "command_line", "pipeline_registry", "runner", "settings"}
    assert set(re.findall(r"`(\w+)`", ground[1])) == loose - with_kedro
    named = re.findall(r"`((?:game|objectives|metrics|evaluation|training|config|systems)/\w+\.py)`", text)
    assert named
    assert [name for name in named if not (package / name).is_file()] == []


def test_no_docstring_of_a_module_with_nodes_has_a_line_that_looks_like_an_import():
    """Kedro's %load_node copies every line that begins with "from" or "import", those of docstrings too."""
    for path in (ROOT / "src/papergan/pipelines").rglob("*.py"):
        for part in ast.walk(ast.parse(path.read_text())):
            if isinstance(part, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(part)):
                assert not [line for line in text.split("\n") if re.match(r"\s*(from|import)", line)], path


def test_the_files_that_are_run_first_are_there():
    named = re.findall(r'"([\w/]+\.py)"', (ROOT / "tests" / "conftest.py").read_text())
    assert named
    assert [name for name in named if not (ROOT / "tests" / name).is_file()] == []
