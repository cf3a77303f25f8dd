"""Figure 4, right: held-out success rate of agents whose reward models differ in size alone.

python -m experiments.model_size --preset smoke
python -m experiments.model_size --preset find_small --negatives goals
"""

from experiments.study.command import study_app

app = study_app("model_size")

if __name__ == "__main__":
    app()
