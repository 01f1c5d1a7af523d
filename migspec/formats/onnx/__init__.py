"""ONNX models: their initializers and constants, read in place without the package `onnx`.

Everything about the format is from https://github.com/onnx/onnx/blob/main/onnx/onnx.proto and, for data outside of the model's
file, from https://github.com/onnx/onnx/blob/main/docs/ExternalData.md.
"""

from migspec.formats.onnx.reader import OnnxReader

__all__ = ["OnnxReader"]
