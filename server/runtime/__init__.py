"""One model on one machine: its bundle, tokenizer, session, provider, shapes of runs, and what they cost."""
