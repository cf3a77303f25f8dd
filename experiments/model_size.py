"""Figure 4, right: held-out ground-truth return of agents whose reward models differ in size alone.

python -m experiments.model_size --preset smoke
python -m experiments.model_size --preset find_small --negatives goals
"""

from experiments.study.command import study_command

command = study_command("model_size")

app = command.app()

if __name__ == "__main__":
    app()
