"""How good searches are on a judged collection: what each stage finds, and whether two runs differ."""
