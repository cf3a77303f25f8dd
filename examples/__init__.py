"""Programs that use the library from outside: other RL code, and other languages."""
