"""Figure 3: VLM return in training and ground-truth return on held-out goals, for each task family.

python -m experiments.learning_curves --preset smoke
python -m experiments.learning_curves --preset pocket --dry-run
"""

from experiments.study.command import study_command

command = study_command(
    "learning_curves",
    "Train on each task family from VLM rewards alone, and follow [bold]VLM return and held-out ground truth[/bold] "
    "side by side (the paper's figure 3). Results go to MLflow; `python -m experiments.report` draws them.",
)

app = command.app()

if __name__ == "__main__":
    app()
