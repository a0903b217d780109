"""HTTP faces: one file per noun, and what they share."""
