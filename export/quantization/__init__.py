"""fp32 graphs into smaller and faster ones: int8 in its kinds, and half precision. Knows no gate."""
