"""The `shortlist` command: a file a command, and what only they use."""
