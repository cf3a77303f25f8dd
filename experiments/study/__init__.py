"""Studies: many training runs that differ in what is studied, under Ray Tune, each a child of one MLflow run."""
