"""Ray Serve application builders with typed arguments, and the YAML that deploys them."""
