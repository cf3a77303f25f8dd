"""Figures of the report: theme, learning-curve panels, panels that compare arms."""
