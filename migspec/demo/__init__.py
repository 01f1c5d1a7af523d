"""What `migspec demo` works on: a TensorFlow 1 model, the Keras 3 model that takes its place, and the spec between them."""
