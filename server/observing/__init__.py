"""What is seen of a server: numbers, log lines and spans of its calls, and of its parts."""
