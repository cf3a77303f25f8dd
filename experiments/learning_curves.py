"""Figure 3: reward return in training and success rate on held-out goals, for each task family.

python -m experiments.learning_curves --preset smoke
python -m experiments.learning_curves --preset pocket --dry-run
"""

from experiments.study.command import study_app

app = study_app("learning_curves")

if __name__ == "__main__":
    app()
