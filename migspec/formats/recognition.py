"""What a file is, told from its content: the formats that migspec reads, and those that it can only name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

HEAD = 4096  # bytes from the start of a file that recognition looks at

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"  # at 0, or behind a user block, whose length is a power of 2 from 512 on
_LEVELDB_MAGIC = bytes.fromhex("57fb808b247547db")  # the last 8 bytes of a table
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06")
_TAR_MAGIC = b"ustar"

_LATER = "which the next version of migspec reads"


@dataclass(frozen=True, slots=True)
class Recognised:
    """A file of `format`, one of those that migspec reads."""

    format: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """A file that migspec does not read: `what` it looks like, a whole clause, and what would `help`."""

    what: str
    help: str | None = None


def recognise(path: str) -> Recognised | Foreign:
    """What the file at `path` is. Raises OSError if it cannot be read."""
    file = Path(path)
    with file.open("rb") as stream:
        head = stream.read(HEAD)
        size = os.fstat(stream.fileno()).st_size
        if not head:
            return Foreign("it is empty")
        if _is_hdf5(stream.fileno(), size):
            return Recognised("weights.h5")
        stream.seek(max(0, size - 8))
        tail = stream.read(8)
    if head.startswith(_ZIP_STARTS):
        return _zip(path)
    if tail == _LEVELDB_MAGIC:
        return Foreign(
            f"it looks like a TensorFlow V1 checkpoint, {_LATER}",
            "load it in TensorFlow with `tf.compat.v1.train.Saver` and save it again: that writes V2",
        )
    length = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and 2 <= length <= max(size, 1 << 20):  # a header longer than the file is a file cut short
        return Recognised("safetensors")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"{"):
        return _json(head)
    return _other(head, file.name)


def _is_hdf5(descriptor: int, size: int) -> bool:
    offset = 0
    while offset < size:
        if os.pread(descriptor, 8, offset) == _HDF5_SIGNATURE:
            return True
        offset = offset * 2 or 512
    return False


def _zip(path: str) -> Recognised | Foreign:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, IndexError):
        return Recognised("keras" if path.endswith(".keras") else "npz")  # damaged: their readers say how
    if any(name.startswith("model.weights.") for name in names) or {"config.json", "metadata.json"} <= set(names):
        return Recognised("keras")
    if any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
        return Foreign(f"it looks like a PyTorch file (`torch.save`), {_LATER}", "save the state dict as safetensors")
    if not names or any(name.endswith(".npy") for name in names):
        return Recognised("npz")
    return Foreign(
        f"it is a zip archive without arrays (it begins with `{names[0]}`)", "unpack it and name the checkpoint in it"
    )


def _json(head: bytes) -> Recognised | Foreign:
    if b'"weight_map"' in head:
        return Foreign(
            "it looks like the index of a checkpoint in several files (safetensors or Keras shards)",
            "name one of the files that it lists, or save the weights in one file",
        )
    return Recognised("variable-map")


def _other(head: bytes, name: str) -> Foreign:
    if head.startswith(b"\x93NUMPY"):
        what = "a pickled numpy file" if b"'|O'" in head[:256] else "a single numpy array (`.npy`)"
        return Foreign(f"it looks like {what}, {_LATER}", "save the arrays by name with `numpy.savez`")
    if head.startswith(b"version https://git-lfs"):
        return Foreign("it is a Git LFS pointer, not the file itself", "fetch the file with `git lfs pull`")
    if head.startswith(b"\x1f\x8b") or head[257:262] == _TAR_MAGIC:
        return Foreign("it is a compressed archive (gzip or tar)", "unpack it and name the checkpoint in it")
    if head.startswith(b"GGUF"):
        return Foreign("it looks like a GGUF file")
    if head[4:8] == b"TFL3":
        return Foreign("it looks like a TensorFlow Lite model")
    if name.endswith(".onnx"):
        return Foreign(f"it looks like an ONNX model, {_LATER}")
    if name.endswith((".meta", ".pb", ".pbtxt")):
        return Foreign("it looks like a graph, which holds no values", "name the checkpoint: the prefix of its `.index` file")
    if _is_pickle(head):
        return Foreign(f"it looks like a pickle (an old PyTorch file, say), {_LATER}", "save the state dict as safetensors")
    return Foreign("its content is of no kind that migspec knows")


def _is_pickle(head: bytes) -> bool:
    """Whether the bytes are the start of a pickle; nothing of it is run."""
    if head[:1] != b"\x80" or head[1:2] not in b"\x01\x02\x03\x04\x05":
        return False
    import pickletools

    read = 0
    try:
        for _ in pickletools.genops(head):
            read += 1
    except Exception:  # the end of what was read, or no pickle
        return read > 2
    return True
