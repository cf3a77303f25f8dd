"""Doors to other libraries, one module each. A module imports its library, and says which extra is missing."""
