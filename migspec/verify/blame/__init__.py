"""Why outputs differ: the migrated variables that explain it, or the graphs themselves."""
