"""Rules held against the variables of both sides: one expression for each target variable."""
