"""Figure 3: VLM return in training and ground-truth return on held-out goals, for each task family.

python -m experiments.learning_curves --preset smoke
python -m experiments.learning_curves --preset pocket --dry-run
"""

from experiments.study.command import study_command

command = study_command("learning_curves")

app = command.app()

if __name__ == "__main__":
    app()
