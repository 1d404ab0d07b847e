"""Our own measurements, on the load generator of the room above. Run from a clone; not packaged."""
