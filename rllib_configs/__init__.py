"""One module an algorithm: a function that returns a ready `AlgorithmConfig`."""
