"""One module for each kind of model that `verify` runs."""
