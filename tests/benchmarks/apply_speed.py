"""What a migration costs beside copying the file, and beside doing it with the frameworks' own readers and writers.

    python tests/benchmarks/apply_speed.py [--gigabytes 2] [--runs 3] [--folder DIR]

Two migrations of the same bytes: safetensors -> safetensors, renamed only; and a TensorFlow checkpoint -> safetensors, with every matrix
transposed and every LSTM kernel's gates reordered. Each is run in turn with its rivals, each run in a process of its own,
imports included, page cache warm. Only `cp, synced` and migspec wait until the output is on the disk. Printed are the
median wall time, its ratio to `cp`, and the peak resident memory (VmHWM, which counts mapped pages).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy
from safetensors.numpy import save_file

SIDE = 2048
PEAK = "import re,sys;sys.stderr.write('VmHWM '+re.search(r'VmHWM:\\s*(\\d+)',open('/proc/self/status').read())[1]+'\\n')"


def matrices(gigabytes: float) -> int:
    return max(4, int(gigabytes * 2**30 / (SIDE * SIDE * 4)))


def make_safetensors(folder: Path, count: int) -> None:
    """One file of `count` square matrices, half of them named as kernels of LSTM cells."""
    rng = numpy.random.default_rng(0)
    save_file(
        {f"old/layer_{i}/weight": rng.random((SIDE, SIDE), numpy.float32) for i in range(count)}, folder / "old.safetensors"
    )


def make_checkpoint(folder: Path, count: int) -> None:
    """A TensorFlow 1 checkpoint: half dense kernels, half fused LSTM kernels."""
    code = f"""
import numpy, tensorflow as tf
rng = numpy.random.default_rng(0)
names = [f"dense_{{i}}/kernel" for i in range({count} // 2)] + [f"cell_{{i}}/basic_lstm_cell/kernel" for i in range({count} - {count} // 2)]
tensors = [tf.constant(rng.random(({SIDE}, {SIDE}), numpy.float32)) for _ in names]
tf.raw_ops.SaveV2(prefix={str(folder / "old.ckpt")!r}, tensor_names=names, shape_and_slices=[""] * len(names), tensors=tensors)
"""
    subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)


def write_maps(folder: Path, count: int) -> None:
    shape = {"shape": [SIDE, SIDE], "dtype": "float32"}
    renamed = {f"new.{i}.weight": shape for i in range(count)}
    mixed = {f"dense.{i}.weight": shape for i in range(count // 2)} | {
        f"lstm.{i}.weight": shape for i in range(count - count // 2)
    }
    (folder / "renamed.json").write_text(json.dumps({"variables": renamed}))
    (folder / "mixed.json").write_text(json.dumps({"variables": mixed}))
    (folder / "rename.mig").write_text("rename old/layer_{i}/weight -> new.{i}.weight\n")
    (folder / "mixed.mig").write_text(
        "rename dense_{i}/kernel -> dense.{i}.weight  transpose\n"
        "rename cell_{i}/basic_lstm_cell/kernel -> lstm.{i}.weight  gates icfo -> ifco  transpose\n"
    )


def migspec(spec: str, source: str, target: str) -> list[str]:
    arguments = ["apply", spec, "-s", source, "-t", target, "-o", "out.safetensors", "--force", "-q"]
    code = f"from migspec.cli.main import run_with\ncode = run_with({arguments!r})\n{PEAK}\nsys.exit(code)"
    return [sys.executable, "-c", code]


def rivals_of_rename() -> dict[str, list[str]]:
    load_save = (
        "from safetensors.numpy import load_file, save_file\n"
        "w = load_file('old.safetensors')\n"
        "save_file({k.replace('old/layer_', 'new.').replace('/', '.'): v for k, v in w.items()}, 'out.safetensors')\n"
    )
    return {"safetensors load + save": [sys.executable, "-c", load_save + PEAK]}


def rivals_of_mixed() -> dict[str, list[str]]:
    by_framework = f"""
import numpy, tensorflow as tf
from safetensors.numpy import save_file
reader = tf.train.load_checkpoint('old.ckpt')
out = {{}}
for name in reader.get_variable_to_shape_map():
    value = reader.get_tensor(name)
    if 'lstm' in name:
        i, c, f, o = numpy.split(value, 4, axis=1)
        out[name.replace('cell_', 'lstm.')] = numpy.ascontiguousarray(numpy.concatenate([i, f, c, o], axis=1).T)
    else:
        out[name] = numpy.ascontiguousarray(value.T)
save_file(out, 'out.safetensors')
{PEAK}
"""
    return {"tf.train.load_checkpoint + safetensors save": [sys.executable, "-c", by_framework]}


def copies(source: str) -> dict[str, list[str]]:
    """A copy of the file, and a copy that is on the disk when it ends, as the output of `apply` is."""
    return {"cp": ["cp", source, "out.copy"], "cp, synced": ["sh", "-c", f"cp {source} out.copy && sync out.copy"]}


def compare(folder: Path, commands: dict[str, list[str]], runs: int) -> None:
    """Run the commands in turn and print a line for each."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    peaks: dict[str, int] = {}
    for _ in range(runs):
        for name, command in commands.items():
            for output in folder.glob("out*"):
                output.unlink()
            start = time.perf_counter()
            done = subprocess.run(command, cwd=folder, stderr=subprocess.PIPE, text=True, check=False)
            times[name].append(time.perf_counter() - start)
            if done.returncode:
                sys.exit(f"{name} failed:\n{done.stderr}")
            for line in done.stderr.splitlines():
                if line.startswith("VmHWM"):
                    peaks[name] = max(peaks.get(name, 0), int(line.split()[1]))
    base = statistics.median(times["cp"])
    for name, measured in times.items():
        median = statistics.median(measured)
        peak = f"{peaks[name] / 1024:8.0f} MiB" if name in peaks else "            "
        print(
            f"  {name:<44} {median:6.2f} s  {median / base:5.2f} x cp  {peak}  (runs: {', '.join(f'{one:.2f}' for one in measured)})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    count = matrices(options.gigabytes)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        write_maps(folder, count)
        make_safetensors(folder, count)
        print(f"{count} matrices of {SIDE} x {SIDE} float32, safetensors -> safetensors, renamed only")
        commands = copies("old.safetensors") | {
            "migspec apply": migspec("rename.mig", "old.safetensors", "renamed.json"),
        }
        compare(folder, commands | rivals_of_rename(), options.runs)
        (folder / "old.safetensors").unlink()
        make_checkpoint(folder, count)
        print(
            f"{count} matrices of {SIDE} x {SIDE} float32, TensorFlow checkpoint -> safetensors, transposed, half of them with gates reordered"
        )
        commands = copies("old.ckpt.data-00000-of-00001") | {
            "migspec apply": migspec("mixed.mig", "old.ckpt", "mixed.json"),
        }
        compare(folder, commands | rivals_of_mixed(), options.runs)


if __name__ == "__main__":
    main()
