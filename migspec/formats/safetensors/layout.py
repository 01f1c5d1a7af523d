"""What safetensors files are made of: https://github.com/huggingface/safetensors#format.

A length, a JSON header, the values.
"""

from __future__ import annotations

DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "C64": "complex64",
}
CODES = {name: code for code, name in DTYPES.items()}

OPAQUE_BITS = {"F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4}
"""Dtypes of the format that migspec lists but does not move, with the bits of an element."""

HEADER_LIMIT = 100_000_000
"""Bytes of the header; the reference implementation's own limit."""

DEFAULT_METADATA = {"format": "pt"}
"""What a file without a template says of itself. safetensors gives the metadata no meaning; transformers refuses a file whose
`format` it does not know, or, in older versions, that has none, and reads "pt" for all its frameworks."""


def is_unicode(name: str) -> bool:
    """Whether a name can be written in UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
