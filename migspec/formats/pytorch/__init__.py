"""PyTorch files, and pickles without a container, read without PyTorch and without running what they name."""
