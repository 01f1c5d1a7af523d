"""Into how many files an output goes."""

from __future__ import annotations

from collections.abc import Sequence

from migspec.diagnostics.model import file_error
from migspec.formats.base import Reader, Writer
from migspec.formats.output import Destination
from migspec.formats.safetensors.folder import INDEX_ENDING
from migspec.formats.safetensors.index import ShardedSafetensorsReader
from migspec.formats.safetensors.reader import SafetensorsReader
from migspec.formats.safetensors.shards import DEFAULT_SHARD_BYTES, ENDING, split
from migspec.formats.safetensors.writer import SafetensorsWriter, ShardedSafetensorsWriter
from migspec.variables import Variable, VariableMap


def create_safetensors_writer(
    destination: Destination, variables: VariableMap, template: Reader | None, shard_size: int | None
) -> Writer:
    """The writer for an output called `x.safetensors`, or `x.safetensors.index.json`.

    With `shard_size`, in bytes, it goes into several files if one would be larger. An output that is called by its index always has
    one: its files are cut like those of the template, if that has several, else after `shard_size`, or 5 GB. Errors as
    `SafetensorsWriter`.
    """
    path = destination.path
    by_index = path.endswith(INDEX_ENDING)
    metadata = template.metadata if isinstance(template, SafetensorsReader | ShardedSafetensorsReader) else None
    if shard_size is None and not by_index:
        return SafetensorsWriter(destination, variables, metadata)
    if not by_index and not path.endswith(ENDING):
        raise file_error(
            "MIG508", path, f"several files are named after one that ends in `{ENDING}`", helps=[f"call it `{path}{ENDING}`"]
        )
    sharded = template if isinstance(template, ShardedSafetensorsReader) else None
    if sharded is not None and shard_size is None:
        shards = _as_in(sharded, variables)
    else:
        shards = split(variables, shard_size or DEFAULT_SHARD_BYTES)
    if len(shards) == 1 and not by_index:
        return SafetensorsWriter(destination, variables, metadata)
    return ShardedSafetensorsWriter(destination, shards, metadata, sharded.index_metadata if sharded else None)


def _as_in(template: ShardedSafetensorsReader, variables: VariableMap) -> Sequence[Sequence[Variable]]:
    shards: dict[str, list[Variable]] = {name: [] for name in template.shards}
    for variable in variables:
        shards[template.shard_of(variable.name)].append(variable)
    return [shard for shard in shards.values() if shard]
