"""What an environment must offer to be rewarded from pictures, and adapters for Gymnasium. Nothing here knows ray."""
