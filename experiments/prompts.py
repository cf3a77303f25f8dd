"""Figure 5: held-out ground-truth return of agents whose rewards differ in the prompt template alone.

python -m experiments.prompts --preset smoke
python -m experiments.prompts --preset open_common
"""

from experiments.study.command import study_command

command = study_command("prompts")

app = command.app()

if __name__ == "__main__":
    app()
