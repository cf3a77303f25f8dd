"""What all commands share: how they start and end, presets, run folders, and Ray."""
