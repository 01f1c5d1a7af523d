"""The same migration by migspec and by the frameworks' own load and save: wall time and memory.

    python tests/benchmarks/rivals.py [--gigabytes 2] [--variables 400] [--runs 3] [--folder DIR] [NAME ...]

Each pair reads the same file and writes the same values under other names; processes of their own, imports included, page cache
warm, in turn. No side waits until its output is on the disk: the frameworks cannot, and migspec is told so. A framework that is not installed is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from inputs import square, write_by, write_map, write_safetensors
from measuring import compare, migspec, python

SPEC = "rename old/layer_{i}/w -> new/layer_{i}/w\n"


def by_safetensors(folder: Path, count: int, side: int) -> tuple[str, list[str]]:
    write_safetensors(folder / "old.safetensors", {f"old/layer_{i}/w": (side, side) for i in range(count)})
    code = """
from safetensors.numpy import load_file, save_file
save_file({name.replace("old", "new"): value for name, value in load_file("old.safetensors").items()}, "out.rival")
"""
    return code, ["-s", "old.safetensors", "-t", "new.json", "-o", "out.safetensors"]


def by_tensorflow(folder: Path, count: int, side: int) -> tuple[str, list[str]]:
    write_by(
        f"""
import numpy, tensorflow as tf
rng = numpy.random.default_rng(0)
names = [f"old/layer_{{i}}/w" for i in range({count})]
tensors = [tf.constant(rng.random(({side}, {side}), numpy.float32)) for _ in names]
tf.raw_ops.SaveV2(prefix="old.ckpt", tensor_names=names, shape_and_slices=[""] * len(names), tensors=tensors)
""",
        folder,
    )
    code = """
import tensorflow as tf
reader = tf.train.load_checkpoint("old.ckpt")
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    variables, values = [], []
    for name, shape in reader.get_variable_to_shape_map().items():
        variables.append(tf.compat.v1.get_variable(name.replace("old", "new"), shape))
    for variable in variables:
        variable.load(reader.get_tensor(variable.op.name.replace("new", "old")), session)
    tf.compat.v1.train.Saver(variables).save(session, "out.rival", write_meta_graph=False)
"""
    return code, ["-s", "old.ckpt", "-t", "new.json", "-o", "out.ckpt"]


def by_torch(folder: Path, count: int, side: int) -> tuple[str, list[str]]:
    write_by(
        f"import torch\ntorch.save({{f'old/layer_{{i}}/w': torch.rand({side}, {side}) for i in range({count})}}, 'old.pt')",
        folder,
    )
    code = """
import torch
torch.save({name.replace("old", "new"): value for name, value in torch.load("old.pt").items()}, "out.rival")
"""
    return code, ["-s", "old.pt", "-t", "new.json", "-o", "out.safetensors"]


def by_h5py(folder: Path, count: int, side: int) -> tuple[str, list[str]]:
    for prefix in ("old", "new"):
        write_by(
            f"""
import h5py, numpy
rng = numpy.random.default_rng(0)
with h5py.File("{prefix}.weights.h5", "w") as file:
    for i in range({count}):
        group = file.create_group(f"layers/{prefix}_layer_{{i}}/vars")
        group.create_dataset("0", data=rng.random(({side}, {side}), numpy.float32))
""",
            folder,
        )
    (folder / "spec.mig").write_text("rename **/old_layer_{i}/** -> **/new_layer_{i}/**\n")
    code = """
import h5py
with h5py.File("old.weights.h5") as old, h5py.File("out.rival", "w") as new:
    def move(name, item):
        if isinstance(item, h5py.Dataset):
            new.create_dataset(name.replace("old", "new"), data=item[()])
    old.visititems(move)
"""
    return code, ["-s", "old.weights.h5", "-t", "new.weights.h5", "-o", "out.weights.h5"]


def by_keras(folder: Path, count: int, side: int) -> tuple[str, list[str]]:
    for prefix in ("old", "new"):
        write_by(
            f"""
import keras
layers = [keras.layers.Dense({side}, use_bias=False, name=f"{prefix}_layer_{{i}}") for i in range({count})]
keras.Sequential([keras.Input(({side},)), *layers]).save("{prefix}.keras")
""",
            folder,
        )
    (folder / "spec.mig").write_text("rename **/old_layer_{i}/** -> **/new_layer_{i}/**\n")
    code = """
import keras
old, new = keras.models.load_model("old.keras"), keras.models.load_model("new.keras")
for one, other in zip(old.layers, new.layers):
    other.set_weights(one.get_weights())
new.save("out.keras")
"""
    return code, ["-s", "old.keras", "-t", "new.keras", "-o", "out.keras"]


def by_orbax(folder: Path, count: int, side: int) -> tuple[str, list[str]]:
    write_by(
        f"""
import numpy, pathlib, orbax.checkpoint as ocp
rng = numpy.random.default_rng(0)
tree = {{"old": {{f"layer_{{i}}": {{"w": rng.random(({side}, {side}), numpy.float32)}} for i in range({count})}}}}
with ocp.StandardCheckpointer() as checkpointer:
    checkpointer.save(pathlib.Path("old.orbax").absolute(), tree)
""",
        folder,
    )
    code = """
import pathlib, orbax.checkpoint as ocp
with ocp.StandardCheckpointer() as checkpointer:
    tree = checkpointer.restore(pathlib.Path("old.orbax").absolute())
    checkpointer.save(pathlib.Path("out.rival").absolute(), {"new": tree["old"]})
"""
    return code, ["-s", "old.orbax", "-t", "new.json", "-o", "out.safetensors"]


RIVALS: dict[str, tuple[str, Callable[[Path, int, int], tuple[str, list[str]]], str]] = {
    "safetensors": ("safetensors", by_safetensors, "`safetensors` load + save"),
    "tensorflow": ("tensorflow", by_tensorflow, "`tf.train.load_checkpoint` + `Saver`"),
    "torch": ("torch", by_torch, "`torch` load + save"),
    "h5py": ("h5py", by_h5py, "`h5py` read + write"),
    "keras": ("keras", by_keras, "Keras load + save of `.keras`"),
    "orbax": ("orbax", by_orbax, "Orbax restore + save"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RIVALS))
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--variables", type=int, default=400)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    side, _ = square(options.gigabytes, options.variables)
    for name in options.names or RIVALS:
        package, make, title = RIVALS[name]
        if importlib.util.find_spec(package) is None:
            print(f"\n{title}: `{package}` is not installed")
            continue
        folder = Path(tempfile.mkdtemp(dir=options.folder))
        try:
            (folder / "spec.mig").write_text(SPEC)
            write_map(folder / "new.json", {f"new/layer_{i}/w": (side, side) for i in range(options.variables)})
            code, sides = make(folder, options.variables, side)
            commands = {"`migspec apply`": migspec("apply", "spec.mig", *sides, "-q", "--no-sync"), title: python(code)}
            compare(folder, commands, options.runs, f"{options.gigabytes:g} GiB, {options.variables} variables")
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
