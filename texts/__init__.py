"""The texts that ship: what an export judges variants on, and what a benchmark sends where nobody brings texts."""
