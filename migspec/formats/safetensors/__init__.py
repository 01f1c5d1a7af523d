"""safetensors: one file, or several with an index."""

from migspec.formats.safetensors.index import ShardedSafetensorsReader
from migspec.formats.safetensors.reader import SafetensorsReader
from migspec.formats.safetensors.writer import SafetensorsWriter

__all__ = ["SafetensorsReader", "SafetensorsWriter", "ShardedSafetensorsReader"]
