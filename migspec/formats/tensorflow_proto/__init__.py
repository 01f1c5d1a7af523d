"""Messages of TensorFlow that several of its file formats share: tensors, shapes, slices, dtypes."""
