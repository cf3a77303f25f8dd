"""The report of a study, rendered from MLflow alone."""
