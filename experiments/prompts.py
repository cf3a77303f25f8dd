"""Figure 5: held-out success rate of agents whose rewards differ in the prompt template alone.

python -m experiments.prompts --preset smoke
python -m experiments.prompts --preset open_common
"""

from experiments.study.command import study_app

app = study_app("prompts")

if __name__ == "__main__":
    app()
