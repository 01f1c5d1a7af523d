"""What a migration costs beside copying the file.

    python tests/benchmarks/apply_speed.py [--gigabytes 2 8] [--variables 400 20000] [--runs 5] [--folder DIR]

Renamed only, safetensors -> safetensors; and a TensorFlow checkpoint -> safetensors and -> TensorFlow checkpoint with every matrix
transposed and the gates of half of them reordered. Processes of their own, imports included, page cache warm, in turn. Both `cp`
and migspec are measured with the output left to the operating system (`--no-sync`) and with it on the disk; ratios are those of
like to like. Needs three times the space of the largest input.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from inputs import square, write_by, write_map, write_safetensors
from measuring import compare, copying, migspec


def renamed(folder: Path, gigabytes: float, count: int, runs: int) -> None:
    shape = square(gigabytes, count)
    names = [(f"{i // 10}/part_{i % 10}/w", f"{i // 10}.part_{i % 10}.w") for i in range(count)]
    write_safetensors(folder / "old.safetensors", {f"old/layer_{old}": shape for old, _ in names})
    write_map(folder / "new.json", {f"new.{new}": shape for _, new in names})
    (folder / "spec.mig").write_text("rename old/layer_{i}/** -> new.{i}.**\n")
    arguments = ("apply", "spec.mig", "-s", "old.safetensors", "-t", "new.json", "-o", "out.safetensors", "-q")
    title = f"{gigabytes:g} GiB, {count} variables, safetensors -> safetensors, renamed"
    like_to_like(folder, title, ["old.safetensors"], {"": arguments}, runs)
    (folder / "old.safetensors").unlink()


def turned(folder: Path, gigabytes: float, count: int, runs: int) -> None:
    side, _ = square(gigabytes, count)
    side -= side % 4
    write_by(
        f"""
import numpy, tensorflow as tf
rng = numpy.random.default_rng(0)
names = [f"dense_{{i}}/kernel" for i in range({count // 2})] + [f"cell_{{i}}/basic_lstm_cell/kernel" for i in range({count - count // 2})]
tensors = [tf.constant(rng.random(({side}, {side}), numpy.float32)) for _ in names]
tf.raw_ops.SaveV2(prefix="old.ckpt", tensor_names=names, shape_and_slices=[""] * len(names), tensors=tensors)
""",
        folder,
    )
    shape = (side, side)
    write_map(
        folder / "new.json",
        {f"dense.{i}.weight": shape for i in range(count // 2)}
        | {f"lstm.{i}.weight": shape for i in range(count - count // 2)},
    )
    (folder / "spec.mig").write_text(
        "rename dense_{i}/kernel -> dense.{i}.weight  transpose\n"
        "rename cell_{i}/basic_lstm_cell/kernel -> lstm.{i}.weight  gates icfo -> ifco  transpose\n"
    )
    title = f"{gigabytes:g} GiB, {count} matrices, TensorFlow checkpoint, transposed, gates of half of them"
    outputs = {
        " -> safetensors": ("apply", "spec.mig", "-s", "old.ckpt", "-t", "new.json", "-o", "out.safetensors", "-q"),
        " -> checkpoint": ("apply", "spec.mig", "-s", "old.ckpt", "-t", "new.json", "-o", "out.ckpt", "-q"),
    }
    like_to_like(folder, title, ["old.ckpt.data-00000-of-00001", "old.ckpt.index"], outputs, runs)
    for file in folder.glob("old.ckpt*"):
        file.unlink()


def like_to_like(folder: Path, title: str, copied: list[str], outputs: dict[str, tuple[str, ...]], runs: int) -> None:
    """Two tables: with the output left to the system, and with it on the disk."""
    plain, synced = copying(*copied).items()
    unsynced = {f"`migspec apply --no-sync`{name}": migspec(*arguments, "--no-sync") for name, arguments in outputs.items()}
    compare(folder, dict([plain]) | unsynced, runs, title)
    waiting = {f"`migspec apply`{name}": migspec(*arguments) for name, arguments in outputs.items()}
    compare(folder, dict([synced]) | waiting, runs, f"{title}, synced")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[2.0, 8.0])
    parser.add_argument("--variables", type=int, nargs="+", default=[400, 20000])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        for gigabytes in options.gigabytes:
            for count in options.variables:
                renamed(folder, gigabytes, count, options.runs)
            turned(folder, gigabytes, int(gigabytes * 64), options.runs)


if __name__ == "__main__":
    main()
