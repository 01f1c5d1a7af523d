"""What numpy's and PyTorch's pickles hold, read without running them: stand-ins instead of objects, places instead of values."""
