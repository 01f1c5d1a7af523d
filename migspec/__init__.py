"""migspec: a declarative compiler for moving neural-network weights."""
