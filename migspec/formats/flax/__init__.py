"""flax msgpack files: what `flax.serialization.to_bytes` and `msgpack_serialize` make."""
