"""The single file is a PPO that the model pays, and nothing else does."""

import numpy as np
import pytest
import torch

from examples import single_file_ppo as example


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_episodes_are_paid_by_the_model_and_the_truth_is_beside_it(capsys):
    returns, truth = example.train(example.Args(total_timesteps=512, seed=3))
    assert set(returns) == {0.0, 1.0}
    assert np.mean(np.equal(returns, truth)) > 0.9
    assert "ground truth" in capsys.readouterr().out


def test_a_new_policy_tries_everything():
    torch.manual_seed(0)
    agent = example.Agent((96, 60, 3), 60)
    policy, values = agent(torch.zeros(4, 96, 60, 3, dtype=torch.uint8))
    assert values.shape == (4,)
    assert policy.entropy().mean() > 4.0  # all but uniform over 60 at the start


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--url", "http://127.0.0.1:9"], "no reward gateway answers at"), (["--goal", "gmial"], "did you mean 'gmail'")],
)
def test_what_cannot_work_ends_in_one_line(arguments, says, capsys):
    with pytest.raises(SystemExit) as ended:
        example.main([*arguments, "--total-timesteps", "10"])
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert says in said
    assert said.count("\n") == 1
