"""Keras 3 files, `.weights.h5` and `.keras`, read and written without Keras."""
