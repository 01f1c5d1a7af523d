"""A reusable spec on its own: the variables that its interface declares, at any sizes, and the check for all of them."""
