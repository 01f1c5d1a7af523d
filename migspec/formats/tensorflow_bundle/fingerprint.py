"""The file `fingerprint.pb` of a SavedModel, which says by checksums what the rest of it holds.

Fields: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/protobuf/fingerprint.proto. The checksum of the
variables is the FarmHash of their index: HashCheckpointIndexFile in
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/cc/saved_model/fingerprinting_utils.cc.
"""

from __future__ import annotations

import hashlib

from migspec.formats.protobuf_wire import LENGTH, VARINT, fields
from migspec.formats.tensorflow_bundle.encode import varint
from migspec.formats.tensorflow_bundle.farmhash import fingerprint64

FINGERPRINT = "fingerprint.pb"

_CHECKPOINT_HASH = 5
_UUID = 7


def with_variables(fingerprint: bytes, index: bytes) -> bytes:
    """The fingerprint of the same model with the variables of this `index`: other fields stay as they are. ValueError if
    `fingerprint` is none.

    The uuid, which tells one save from another, follows from the old one and the index, so that equal inputs give equal files.
    """
    checkpoint_hash = fingerprint64(index)
    changed = bytearray()
    start = 0
    for number, wire_type, value, end in fields(fingerprint, 0, len(fingerprint)):
        if (number, wire_type) == (_CHECKPOINT_HASH, VARINT):
            changed += varint(number << 3 | wire_type) + varint(checkpoint_hash)
        elif (number, wire_type) == (_UUID, LENGTH):
            digest = hashlib.sha256(fingerprint[value:end] + index).digest()
            uuid = str(int.from_bytes(digest[:16], "big")).encode()  # 128 bits in decimal, as TensorFlow writes it
            changed += varint(number << 3 | wire_type) + varint(len(uuid)) + uuid
        else:
            changed += fingerprint[start:end]
        start = end
    return bytes(changed)
