"""Who gets in: keys and their rights, certificates, and what a server that others can reach must have."""
