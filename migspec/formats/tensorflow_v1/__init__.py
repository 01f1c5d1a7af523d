"""TensorFlow V1 checkpoints (LevelDB tables that hold the values themselves), read without TensorFlow."""
