"""Two reusable specs, one after the other, as one: what the first makes is what the second takes."""
