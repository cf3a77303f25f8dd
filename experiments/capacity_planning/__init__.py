"""How much of what a training of a given size takes."""
