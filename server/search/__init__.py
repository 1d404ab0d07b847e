"""A search from end to end, in plain types: what is asked, what is allowed, how much each stage does."""
