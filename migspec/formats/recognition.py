"""What a file is, told from its content: the formats that migspec reads, and those that it can only name."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

HEAD = 4096  # bytes from the start of a file that recognition looks at

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"  # at 0, or behind a user block, whose length is a power of 2 from 512 on
_LEVELDB_MAGIC = bytes.fromhex("57fb808b247547db")  # the last 8 bytes of a table
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06")
_TAR_MAGIC = b"ustar"
_TORCH_TAR = (b"sys_info", b"pickle", b"tensors", b"storages")  # the members of the first format of `torch.save`, in any order
_TORCH_MAGIC = (b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19", b"L119547037146038801333356L")  # 0x1950a86a20f9469cfc6c, pickled

_GRAPH_IN_TEXT = re.compile(
    rb"\s*(?:#[^\n]*\n\s*)*(?:(?:node|versions|library|meta_info_def|meta_graphs)\s*\{|saved_model_schema_version:)"
)
_NAME_THE_CHECKPOINT = "name the checkpoint, without `.meta`"


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
            return Recognised("hdf5")
        stream.seek(max(0, size - 8))
        tail = stream.read(8)
    if head.startswith(_ZIP_STARTS):
        return _zip(path)
    if tail == _LEVELDB_MAGIC:
        return Recognised("tensorflow-v1")
    length = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and 2 <= length <= max(size, 1 << 20):  # a header longer than the file is a file cut short
        return Recognised("safetensors")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if path.endswith(".safetensors.index.json"):
        return Recognised("safetensors-index")
    if text.startswith(b"{"):
        return _json(head)
    return _protobuf(path, head) or _pickle(head, size, tail) or _msgpack(path, head, size) or _other(head, file.name)


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
        return Recognised("torch")
    if any(name == "archive_format" or name.endswith("/archive_format") for name in names):
        return Foreign("it looks like a program of `torch.export`", "save the state dict of the model with `torch.save`")
    if not names or any(name.endswith(".npy") for name in names):
        return Recognised("npz")
    return Foreign(
        f"it is a zip archive without arrays (it begins with `{names[0]}`)", "unpack it and name the checkpoint in it"
    )


def _json(head: bytes) -> Recognised | Foreign:
    if b'"weight_map"' in head and b'.h5"' in head:
        return Recognised("weights.json")
    if b'"weight_map"' in head and b'.safetensors"' in head:
        return Recognised("safetensors-index")
    if b'"weight_map"' in head:
        return Foreign(
            "it looks like the index of a checkpoint in several files, of PyTorch or flax",
            "name one of the files that it lists, or save the weights in one file",
        )
    if head.startswith(b'{"tree_metadata"'):
        return Recognised("orbax")
    return Recognised("variable-map")


def _other(head: bytes, name: str) -> Recognised | Foreign:
    if head.startswith(b"\x93NUMPY"):
        return Recognised("npy")
    if head.startswith(b"version https://git-lfs"):
        return Foreign("it is a Git LFS pointer, not the file itself", "fetch the file with `git lfs pull`")
    if head[257:262] == _TAR_MAGIC and head.split(b"\0", 1)[0] in _TORCH_TAR:
        return Foreign("it looks like a PyTorch file in the tar format of 2016", "load it in PyTorch and save it again")
    if head.startswith(b"\x1f\x8b") or head[257:262] == _TAR_MAGIC:
        return Foreign("it is a compressed archive (gzip or tar)", "unpack it and name the checkpoint in it")
    if head.startswith(b"GGUF"):
        return Foreign("it looks like a GGUF file")
    if head[4:8] == b"TFL3":
        return Foreign("it looks like a TensorFlow Lite model")
    if name.endswith(".meta"):
        return Foreign("it looks like a graph, which holds no values", _NAME_THE_CHECKPOINT)
    if name.endswith((".pb", ".pbtxt", ".onnx")):
        return Foreign("it is called like a graph, and is none that migspec knows")
    return Foreign("its content is of no kind that migspec knows")


def _protobuf(path: str, head: bytes) -> Recognised | Foreign | None:
    """What a file of TensorFlow or ONNX is, in binary or, as some graphs are, in text."""
    from migspec.formats.protobuf_kind import protobuf_kind

    if _GRAPH_IN_TEXT.match(head):
        return Foreign(
            "it looks like a TensorFlow graph in text form",
            "write it in binary form: `tf.io.write_graph(graph, folder, name, as_text=False)`",
        )
    kind = protobuf_kind(path)
    match kind:
        case "graphdef" | "onnx":
            return Recognised(kind)
        case "saved-model":
            folder = Path(path).parent
            return Foreign("it is the graph of a SavedModel", f"name the folder, which has its variables: `{folder}`")
        case "meta-graph":
            return Foreign("it looks like a graph, which holds no values", _NAME_THE_CHECKPOINT)
        case None:
            return None


def _msgpack(path: str, head: bytes, size: int) -> Recognised | None:
    if not path.endswith(".msgpack"):
        from migspec.formats.flax.recognition import is_map_of_texts

        if not is_map_of_texts(head, size):
            return None
    return Recognised("flax")


def _pickle(head: bytes, size: int, tail: bytes) -> Recognised | None:
    """What kind of pickle a file is, if it is one; nothing of it is run."""
    if any(magic in head[:32] for magic in _TORCH_MAGIC):
        return Recognised("torch-legacy")
    is_binary = head[:1] == b"\x80" and head[1:2] in b"\x01\x02\x03\x04\x05"
    if not is_binary and (head[:1] not in (b"(", b"}", b"]", b"c") or not tail.endswith(b".")):
        return None
    import pickletools

    read = 0
    try:
        for _ in pickletools.genops(head):
            read += 1
    except Exception as error:  # the end of what was read, or no pickle
        is_cut = size > len(head) and "unknown" not in str(error)
        return Recognised("pickle") if read > 2 and (is_binary or is_cut) else None
    return Recognised("pickle")
