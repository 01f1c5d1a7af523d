"""From what the user named to a side that runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migspec.diagnostics import SpecError, file_error
from migspec.formats.registry import open_reader
from migspec.models.load import is_live_reference, load_live
from migspec.models.startup_log import tensorflow_starts_quietly
from migspec.verify.assigning import fill_by_name
from migspec.verify.side import Settable, Side

if TYPE_CHECKING:
    from migspec.models.base import LiveModel

_RUN = (
    "migspec runs SavedModels, `.meta` files with their checkpoint, frozen graphs, `.keras` and legacy `.h5` files, TensorFlow Lite "
    "and ONNX models, and what `package.module:function` returns"
)


@dataclass(frozen=True, slots=True)
class Opened:
    """A side, and what the reader should know of how it was opened."""

    side: Side
    notes: tuple[str, ...] = ()


def open_side_to_run(named: object, signature: str | None = None, weights: str | None = None) -> Opened:
    """The side that a path, a `package.module:function` or an object names.

    `weights` is a checkpoint: that of a `.meta` file, or one whose variables have the names of the model's. A side without variables
    of its own is left as it is. Raises SpecError: MIG5xx, and MIG603 if it cannot be run.
    """
    if isinstance(named, os.PathLike):
        named = os.fspath(named)
    if isinstance(named, str) and not is_live_reference(named):
        _require_tensorflow_if_needed(named)
    with tensorflow_starts_quietly():
        if not isinstance(named, str):
            opened = Opened(_of_object(named, type(named).__name__, signature))
        elif is_live_reference(named):
            opened = Opened(_of_object(load_live(named), named, signature))
        else:
            opened = _of_path(named, signature, weights)
    live = opened.side.live() if isinstance(opened.side, Settable) else None
    if weights is None or live is None or _is_restored(opened.side, named):
        return opened
    left = _fill(live, weights)
    notes = (f"{len(left)} variables of {opened.side.label} are not in {weights} and keep what they have",) if left else ()
    return Opened(opened.side, (*opened.notes, *notes))


def _of_path(path: str, signature: str | None, weights: str | None) -> Opened:
    if path.endswith(".index") and Path(f"{path.removesuffix('.index')}.meta").is_file():
        path = path.removesuffix(".index")
    place = Path(path)
    if place.name == "saved_model.pb" and place.is_file():
        place = place.parent
        path = str(place)
    if place.is_dir() and (place / "saved_model.pb").is_file():
        from migspec.verify.sides.saved_model import open_saved_model

        return Opened(open_saved_model(path, signature))
    meta = path if path.endswith(".meta") else f"{path}.meta"
    if path.endswith("/") or not place.exists() or place.name.endswith(".meta"):
        if not Path(meta).is_file():
            raise _no_model(path)
        from migspec.verify.sides.meta_graph import open_meta_graph

        return Opened(*open_meta_graph(meta, weights))
    return _of_file(path, place)


def _of_file(path: str, place: Path) -> Opened:
    from migspec.formats.recognition import Recognised, recognise

    if place.is_dir():
        raise _no_model(path)
    if path.endswith(".tflite"):
        from migspec.verify.sides.tflite import open_tflite

        return Opened(open_tflite(path))
    try:
        found = recognise(path)
    except OSError as error:
        raise file_error("MIG501", path, "the file cannot be read", notes=(error.strerror or str(error),)) from error
    match found.format if isinstance(found, Recognised) else None:
        case "keras":
            from migspec.verify.sides.keras_files import open_keras_file

            return Opened(open_keras_file(path))
        case "hdf5":
            from migspec.verify.sides.keras_files import open_legacy_file

            return Opened(open_legacy_file(path))
        case "graphdef":
            from migspec.verify.sides.frozen_graph import open_frozen_graph

            return Opened(*open_frozen_graph(path))
        case "onnx":
            from migspec.verify.sides.onnx_model import open_onnx

            return Opened(open_onnx(path))
        case "npz":
            from migspec.verify.sides.recorded import RecordedSide

            return Opened(RecordedSide(path))
        case _:
            raise _no_model(path)


def _of_object(model: object, label: str, signature: str | None) -> Side:
    """The side of a framework's own object, or of anything that can be called."""
    from migspec.verify.sides.called import called, torch_module
    from migspec.verify.sides.keras_files import side_of

    kind = _kind(model)
    if kind == "keras":
        return side_of(model, label)
    if kind == "session":
        from migspec.models.tensorflow_session import session_of
        from migspec.verify.sides.tensorflow_graph import GraphSide

        return GraphSide(label, "TensorFlow 1 graph", session_of(model), _live(model, label), owned=False)
    if kind == "saved-model" and (signature is not None or not callable(model)):
        from migspec.verify.sides.saved_model import signature_of

        return signature_of(model, label, signature)
    if not callable(model):
        article = "an" if type(model).__name__[:1].lower() in "aeiou" else "a"
        help_text = "return a model, a session, or a function that takes arrays and returns arrays"
        message = f"{article} `{type(model).__name__}` cannot be run"
        raise file_error("MIG603", label, message, notes=(_RUN,), helps=(help_text,))
    live = _live(model, label)
    return torch_module(model, label, live) if kind == "torch" else called(model, label, live)


def _live(model: object, label: str) -> LiveModel | None:
    """The variables of an object; None if it has none, or none that migspec can fill: it runs all the same."""
    from migspec.models.recognition import open_model

    try:
        return open_model(model, label)
    except SpecError:
        return None


def _kind(model: Any) -> str | None:
    """Which framework's object this is; none is imported that the process has not imported already."""
    import sys

    for name in ("keras", "tf_keras"):
        package = sys.modules.get(name)
        if package is not None and isinstance(model, getattr(package, "Model", ())):
            return "keras"
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        return "torch"
    if "tensorflow" in sys.modules:
        from migspec.models.tensorflow_session import session_of

        if session_of(model) is not None:
            return "session"
        if hasattr(model, "signatures") and hasattr(model, "tensorflow_version"):
            return "saved-model"
    return None


def _fill(live: LiveModel, weights: str) -> tuple[str, ...]:
    reader = open_reader(weights)
    try:
        return fill_by_name(live, reader)
    finally:
        reader.close()


def _is_restored(side: Side, named: object) -> bool:
    """Whether a side got its weights as it was opened: a `.meta` file did."""
    return isinstance(named, str) and side.kind == "TensorFlow 1 graph" and not is_live_reference(named)


def _require_tensorflow_if_needed(path: str) -> None:
    """MIG513 at once, and not in the middle of things."""
    import importlib.util

    place = Path(path)
    graph = (place.is_dir() and (place / "saved_model.pb").is_file()) or path.endswith((".meta", ".pb")) or not place.exists()
    if graph and importlib.util.find_spec("tensorflow") is None:
        helps = ("pip install 'migspec[tensorflow]'",)
        raise file_error("MIG513", path, "TensorFlow's graphs are run by TensorFlow, which is not installed", helps=helps)


def _no_model(path: str) -> SpecError:
    place = Path(path)
    if not place.exists() and not Path(f"{path}.index").exists():
        try:
            open_reader(path)  # says it best: near names, a live model that is named like a file
        except SpecError as error:
            if error.diagnostics[0].code == "MIG501":
                return error
    notes = (f"there is no `{place.name}.meta` beside it, which would be its graph",) if Path(f"{path}.index").exists() else ()
    helps = (
        "name the graph and its checkpoint, `graph.meta --old-weights PREFIX`, or a function that builds the model and the file as "
        "its weights, `package.module:function --old-weights FILE` (of the new model: `--new-weights`)",
    )
    return file_error(
        "MIG603", path, "this holds no model that can be run, only weights at most", notes=(*notes, _RUN), helps=helps
    )
