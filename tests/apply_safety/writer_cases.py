"""An `apply` for each format that can be written, and what stands in its place: the old output, the new one, none, or a ruin.

A format that needs no template is here by itself, because `writable_format_names` has it. One that needs a template gets a line in
`TEMPLATES`. Templates are made by the libraries underneath the formats (h5py, zipfile, bytes by hand), so that no framework is needed.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy

import migspec
from migspec.formats.writing import writable_format_names

COUNT = 6  # variables

Arrays = Mapping[str, numpy.ndarray]

OUTPUTS = {"npz": "out.npz", "safetensors": "out.safetensors", "tensorflow-bundle": "out.ckpt", "saved-model": "out"}
"""What the output is called where it is not `out.` and the format's name."""


@dataclass(frozen=True, slots=True)
class Case:
    """An `apply` in a folder with `source.safetensors`, `move.mig` and the target. `old` and `new` are the values that an output
    holds: `save_old` puts the old output in place, and `arguments` makes the new one."""

    format: str
    folder: Path
    target: Path
    old: Arrays
    new: Arrays

    @property
    def out(self) -> Path:
        return self.folder / "place" / OUTPUTS.get(self.format, f"out.{self.format}")

    @property
    def source(self) -> Path:
        return self.folder / "source.safetensors"

    @property
    def arguments(self) -> list[str]:
        sides = ["--source", str(self.source), "--target", str(self.target)]
        return ["apply", str(self.folder / "move.mig"), *sides, "--out", str(self.out), "--format", self.format, "--force"]

    def migration(self, source: str = "source.safetensors") -> migspec.Migration:
        """The same in Python."""
        return migspec.compile(self.folder / "move.mig", self.folder / source, self.target)

    def prepare(self) -> None:
        """Write what the `apply` reads, and an old output to be copied into place. SpecError if the format needs a library that
        is not installed."""
        from safetensors.numpy import save_file

        names = {name: f"v/{index}" for index, name in enumerate(self.new)}
        for file, arrays in (("source.safetensors", self.new), ("source_of_old.safetensors", self.old)):
            save_file({names[name]: value for name, value in arrays.items()}, self.folder / file)
        rules = [f'rename {ours} -> "{name}"\n' for name, ours in names.items()]
        (self.folder / "move.mig").write_text("".join(rules))
        (self.folder / "old").mkdir()
        self.migration("source_of_old.safetensors").apply(self.folder / "old" / self.out.name, format=self.format)
        self.save_old()

    def save_old(self) -> None:
        """An old output in place, and nothing else."""
        self.clear()
        self.restore_old()

    def restore_old(self) -> None:
        """The old output in place, beside whatever else there is."""
        shutil.copytree(self.folder / "old", self.out.parent, dirs_exist_ok=True)

    def clear(self) -> None:
        """Nothing in place."""
        shutil.rmtree(self.out.parent, ignore_errors=True)
        self.out.parent.mkdir()

    def state(self) -> str:
        """`old`, `new`, `none`, or what is wrong with what stands in place."""
        try:
            with migspec.open(self.out) as found:
                values = {name: numpy.array(value) for name, value in found.items()}
        except migspec.SpecError as error:
            [diagnostic] = error.diagnostics
            return "none" if diagnostic.code == "MIG501" and self._is_missing() else str(error)
        for name, arrays in (("new", self.new), ("old", self.old)):
            if values.keys() == arrays.keys() and all(values[one].tobytes() == arrays[one].tobytes() for one in arrays):
                return name
        return "neither the old values nor the new ones"

    def _is_missing(self) -> bool:
        """Whether what one would open is not there: the file, the folder, or the index of several files."""
        index = self.out.with_name(f"{self.out.name}.index")
        return not self.out.exists() and not index.exists()

    def allowed_states(self, is_replaced: bool) -> tuple[str, ...]:
        """What may be in place after a process was killed. Only where an output of several files is replaced may there be none."""
        if not is_replaced:
            return ("none", "new")
        several = len(list((self.folder / "old").iterdir())) > 1
        return ("old", "none", "new") if several else ("old", "new")

    def listing(self) -> list[str]:
        """The files in place."""
        return _files(self.out.parent)

    def listing_without_temporaries(self) -> list[str]:
        return [name for name in self.listing() if ".migspec-" not in name]

    def bytes_of_old(self) -> int:
        """What the old output takes on a disk."""
        return sum(path.stat().st_size for path in (self.folder / "old").rglob("*") if path.is_file())

    def listing_of_old(self) -> list[str]:
        """The files of the old output; the new one has the same."""
        return _files(self.folder / "old")

    def temporaries(self) -> list[str]:
        """What lies in place that is no output."""
        return sorted(path.name for path in self.out.parent.iterdir() if ".migspec-" in path.name)


def make_case(format: str, folder: Path, side: int = 256) -> Case:
    """The case of a format: `COUNT` matrices of float32 with `side` rows and columns, those of the template and others."""
    shape = (side, side)
    make = TEMPLATES.get(format)
    if make is None:
        names = [f"layers/dense_{index}/kernel" for index in range(COUNT)]
        target = folder / "target.json"
        target.write_text(json.dumps({"variables": {name: {"shape": list(shape), "dtype": "float32"} for name in names}}))
    else:
        target = make(folder, numpy.zeros(shape, "float32"))
        with migspec.open(target) as template:
            names = list(template)
    old, new = (
        {name: numpy.random.default_rng([seed, index]).random(shape, numpy.float32) for index, name in enumerate(names)}
        for seed in (0, 1)
    )
    case = Case(format, folder, target, old, new)
    case.prepare()
    return case


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def _weights(path: Path, value: numpy.ndarray, first: int = 0, last: int = COUNT) -> Path:
    import h5py

    with h5py.File(path, "w") as file:
        for index in range(first, last):
            group = file.create_group(f"layers/dense_{index}/vars")
            group.create_dataset("0", data=value)
    return path


def _weights_template(folder: Path, value: numpy.ndarray) -> Path:
    return _weights(folder / "template.weights.h5", value)


def _keras_template(folder: Path, value: numpy.ndarray) -> Path:
    path = folder / "template.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", "{}")
        archive.write(_weights(folder / "inside.h5", value), "model.weights.h5")
    return path


def _sharded_template(folder: Path, value: numpy.ndarray) -> Path:
    groups = {}
    for shard, first in enumerate(range(0, COUNT, 2)):
        name = f"template_{shard:05d}.weights.h5"
        _weights(folder / name, value, first, first + 2)
        groups |= {f"/layers/dense_{index}/vars": name for index in (first, first + 1)}
    path = folder / "template.weights.json"
    path.write_text(json.dumps({"metadata": {"total_size": COUNT * value.nbytes}, "weight_map": groups}))
    return path


def _legacy_template(folder: Path, value: numpy.ndarray) -> Path:
    import h5py

    path = folder / "template.h5"
    with h5py.File(path, "w") as file:
        names = [f"dense_{index}" for index in range(COUNT)]
        file.attrs["layer_names"] = [name.encode() for name in names]
        for name in names:
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}/kernel:0".encode()]
            group.create_dataset(f"{name}/kernel:0", data=value)
    return path


def _hdf5_template(folder: Path, value: numpy.ndarray) -> Path:
    import h5py

    path = folder / "template.hdf5"
    with h5py.File(path, "w") as file:
        for index in range(COUNT):
            file.create_dataset(f"dense_{index}/kernel", data=value, chunks=(64, 64), compression="gzip")
    return path


def _saved_model_template(folder: Path, value: numpy.ndarray) -> Path:
    from formats import tensorflow_bundle_builder as bundles

    path = folder / "template"
    (path / "variables").mkdir(parents=True)
    (path / "assets").mkdir()
    (path / "saved_model.pb").write_bytes(b"\x08\x01")
    (path / "assets" / "words.txt").write_text("one\ntwo\n")
    data = value.tobytes()
    entries = [
        bundles.entry(f"dense_{index}/kernel", shape=value.shape, data=data, offset=index * len(data)) for index in range(COUNT)
    ]
    bundles.write(path / "variables" / "variables", entries, data * COUNT)
    return path


TEMPLATES: dict[str, Callable[[Path, numpy.ndarray], Path]] = {
    "weights.h5": _weights_template,
    "keras": _keras_template,
    "weights.json": _sharded_template,
    "keras-h5": _legacy_template,
    "hdf5": _hdf5_template,
    "saved-model": _saved_model_template,
}

FORMATS = writable_format_names()
