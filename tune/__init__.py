"""Settings for this machine: arrangements of slots, threads, batches and variants, measured against each other."""
