"""Figure 4, right: held-out ground-truth return of agents whose reward models differ in size alone.

python -m experiments.model_size --preset smoke
python -m experiments.model_size --preset find_small --negatives goals
"""

from experiments.study.command import study_command

command = study_command(
    "model_size",
    "Train one agent for [bold]each size of reward model[/bold], beside one on the true reward (the paper's figure 4, "
    "right). Results go to MLflow; `python -m experiments.report` draws them.",
)

app = command.app()

if __name__ == "__main__":
    app()
