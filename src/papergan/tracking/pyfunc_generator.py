"""The MLflow flavour of a trained generator: a pyfunc model from code, whose artifact is a model folder.

MLflow runs this file when the model is loaded: `mlflow.pyfunc.load_model`, `mlflow models serve`.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

if TYPE_CHECKING:
    import pandas as pd

ARTIFACT = "generator"
FORMATS = ("png", "grid")
MAX_SAMPLES = 1000  # samples per call


class GeneratorModel(PythonModel):  # type: ignore[misc]
    """Converts rows of (n, label) to base64 PNG files, one per sample, or one grid per row.

    params: seed; truncation, 0 = none; format, "png" or "grid".
    """

    def load_context(self, context: Any) -> None:
        """Read and verify the model folder."""
        from papergan.inference.locate import load_generator

        self.generator = load_generator(context.artifacts[ARTIFACT])

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """One line per image: `row` of the input, `seed`, `index`, `label`, and `png` in base64.

        Raises RecipeError, one line, if a row asks for something that this generator cannot do.
        """
        import pandas as pd

        from papergan.errors import RecipeError
        from papergan.reporting.image_grid import encode_png, film_strips

        given = {"seed": 0, "truncation": 0.0, "format": "png", **(params or {})}
        counts = [int(n) for n in model_input["n"]]
        if given["format"] not in FORMATS or min(counts, default=1) < 1 or sum(counts) > MAX_SAMPLES:
            raise RecipeError(
                f"expected format {' or '.join(FORMATS)}, n of 1 or more, and at most {MAX_SAMPLES} samples at once"
            )
        lines: list[dict[str, Any]] = []
        for row, line in enumerate(model_input.to_dict("records")):
            label = line.get("label")
            samples = self.generator.sample(
                int(line["n"]), seed=int(given["seed"]), truncation=float(given["truncation"]) or None,
                labels=None if label is None or pd.isna(label) or label == "" else str(label),
            )  # fmt: skip
            about = {"row": row, "seed": int(given["seed"])}
            if given["format"] == "grid":
                lines.append({**about, "index": -1, "label": "", "png": _text(samples.grid().png())})
                continue
            for index, image in enumerate(film_strips(samples.pixels)):
                name = "" if samples.labels is None else samples.name_of(index)
                png = encode_png(image, samples.about)  # which says in its metadata that it is generated
                lines.append({**about, "index": index, "label": name, "png": _text(png)})
        return pd.DataFrame(lines)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


set_model(GeneratorModel())
