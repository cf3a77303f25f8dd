import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete
from ray.rllib.core.columns import Columns
from ray.rllib.core.learner.utils import update_target_network
from ray.rllib.core.rl_module.apis import TARGET_NETWORK_ACTION_DIST_INPUTS

from vlm_rewards.environment.action_memory import PAST_ACTIONS, with_past_actions
from vlm_rewards.environment.goal_tokens import GOAL_LENGTH, VOCAB_SIZE, tokenize
from vlm_rewards.errors import ConfigError
from vlm_rewards.rllib import rl_module
from vlm_rewards.rllib.policy import Policy
from vlm_rewards.rllib.rl_module import GoalConditionedModule, GoalModuleConfig

HEIGHT, WIDTH, ACTIONS = 48, 30, 10
OBSERVATIONS = Dict(
    image=Box(0, 255, (HEIGHT, WIDTH, 3), np.uint8), goal=Box(0, VOCAB_SIZE - 1, (GOAL_LENGTH,), np.int64)
)
SIZES = {"channels": (8, 8), "strides": (4, 1), "goal_dim": 8, "hidden_dim": 16, "grid": (3, 2)}


def module_of(observation_space=OBSERVATIONS, action_space=None, seed=0, **changes):
    torch.manual_seed(seed)
    return GoalConditionedModule(
        observation_space=observation_space,
        action_space=action_space or Discrete(ACTIONS),
        inference_only=False,
        model_config=GoalModuleConfig(**{**SIZES, **changes}).to_model_config(),
    )


def observations(*lead, seed=0, goals=("open Gmail", "open Maps", "open Clock")):
    rng = np.random.default_rng(seed)
    count = int(np.prod(lead))
    tokens = np.stack([tokenize(goals[i % len(goals)]) for i in range(count)]).reshape(*lead, GOAL_LENGTH)
    image = rng.integers(0, 256, (*lead, HEIGHT, WIDTH, 3), dtype=np.uint8)
    return {"image": torch.from_numpy(image), "goal": torch.from_numpy(tokens)}


def logits_of(module, obs):
    return module.forward_inference({Columns.OBS: obs})[Columns.ACTION_DIST_INPUTS]


@pytest.mark.parametrize("tap_grid", [None, (3, 3)])
def test_logits_values_and_gradients_have_the_right_shapes(tap_grid):
    module = module_of(tap_grid=tap_grid)
    batch = {Columns.OBS: observations(5)}
    output = module.forward_train(batch)
    values = module.compute_values(batch, output[Columns.EMBEDDINGS])
    assert output[Columns.ACTION_DIST_INPUTS].shape == (5, ACTIONS)
    assert values.shape == (5,)
    (output[Columns.ACTION_DIST_INPUTS].square().mean() + values.square().mean()).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_the_first_policy_is_nearly_uniform():
    probabilities = torch.softmax(logits_of(module_of(), observations(20)), dim=1)
    assert probabilities.max() < 1.2 / ACTIONS


def test_the_target_network_is_the_policy_of_its_last_update():
    module = module_of(tap_grid=(3, 3), training_precision="fp32")
    batch = {Columns.OBS: observations(5)}
    module.make_target_networks()
    before = logits_of(module, batch[Columns.OBS])
    module.forward_train(batch)[Columns.ACTION_DIST_INPUTS].square().mean().backward()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.grad is not None:
                parameter -= parameter.grad
    after = logits_of(module, batch[Columns.OBS])
    assert not torch.allclose(before, after)
    target = module.forward_target(batch)[TARGET_NETWORK_ACTION_DIST_INPUTS]
    torch.testing.assert_close(target, before)
    assert not target.requires_grad
    for followed, follows in module.get_target_network_pairs():
        update_target_network(main_net=followed, target_net=follows, tau=1.0)
    torch.testing.assert_close(module.forward_target(batch)[TARGET_NETWORK_ACTION_DIST_INPUTS], after)


def test_the_target_network_is_saved_but_not_sent_to_env_runners():
    module = module_of()
    weights = module.get_state()
    module.make_target_networks()
    module.make_target_networks()
    assert module.get_state(inference_only=True).keys() == weights.keys()
    assert module.get_state().keys() == {*weights, *(f"target.{key}" for key in weights)}
    other = module_of(seed=1)
    other.set_state(module.get_state())
    assert all(np.array_equal(value, weights[key]) for key, value in other.get_state().items())


def test_the_policy_depends_on_the_goal_and_on_the_image():
    module = module_of()
    image = observations(1)["image"]
    gmail, maps = (torch.from_numpy(tokenize(text))[None] for text in ("open Gmail", "open Maps"))
    first = logits_of(module, {"image": image, "goal": gmail})
    assert not torch.allclose(first, logits_of(module, {"image": image, "goal": maps}), atol=1e-7)
    assert not torch.allclose(first, logits_of(module, {"image": 255 - image, "goal": gmail}), atol=1e-7)


@pytest.mark.parametrize("recurrent", [False, True])
def test_the_policy_depends_on_what_it_did_and_learns_from_it(recurrent):
    module = module_of(with_past_actions(OBSERVATIONS, 4, ACTIONS), recurrent=recurrent, max_seq_len=3)
    lead = (2, 3) if recurrent else (6,)
    past = torch.zeros((*lead, 4), dtype=torch.int64)
    batch = {Columns.OBS: {**observations(*lead), PAST_ACTIONS: past}}
    if recurrent:
        batch[Columns.STATE_IN] = {"h": torch.zeros(2, SIZES["hidden_dim"])}
    before = module.forward_train(batch)[Columns.EMBEDDINGS]
    batch[Columns.OBS][PAST_ACTIONS] = past.clone().fill_(ACTIONS)
    after = module.forward_train(batch)[Columns.EMBEDDINGS]
    assert before.shape == after.shape == (*lead, SIZES["hidden_dim"])
    assert not torch.allclose(before, after)
    after.square().mean().backward()
    # One column for each remembered place and action: those that were taken learn.
    assert (module.past.weight.grad.abs().sum(dim=0) > 0).nonzero().flatten().tolist() == [
        place * (ACTIONS + 1) + ACTIONS for place in range(4)
    ]


def test_padding_after_the_words_has_no_weight_and_a_row_of_padding_gives_numbers():
    encoder = module_of().goal_encoder
    tokens = torch.from_numpy(tokenize("open Gmail"))[None]
    before = encoder(tokens)
    with torch.no_grad():
        encoder.positions[2:] += 100.0
    assert torch.equal(encoder(tokens), before)
    assert torch.isfinite(encoder(torch.zeros_like(tokens))).all()


def test_a_tap_logit_moves_with_what_it_taps():
    """The same picture shifted by one cell gives the same tap logits, shifted by one cell."""
    torch.manual_seed(0)
    space = Dict(image=Box(0, 255, (64, 64, 3), np.uint8), goal=OBSERVATIONS["goal"])
    module = module_of(space, Discrete(16), tap_grid=(4, 4), channels=(8,), strides=(16,))
    cells = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    image = np.repeat(np.repeat(cells, 16, axis=0), 16, axis=1)
    pair = torch.from_numpy(np.stack([image, np.roll(image, 16, axis=1)]))
    goal = torch.from_numpy(np.stack([tokenize("open Gmail")] * 2))
    features, maps, _ = module._features({Columns.OBS: {"image": pair, "goal": goal}})
    taps = (module._logits(features[:1].repeat(2, 1), maps) - module.policy_head(features[:1])).reshape(2, 4, 4)
    # The kernel is twice the stride: cells at the border see the image's edge and are left out.
    torch.testing.assert_close(taps[0, 1:-1, 1:2], taps[1, 1:-1, 2:3])
    assert taps.std() > 0


def test_values_for_bootstrapping_equal_those_for_the_loss_and_carry_no_gradient(monkeypatch):
    module = module_of()
    batch = {Columns.OBS: observations(7)}
    monkeypatch.setattr(GoalConditionedModule, "_CHUNK", 3)
    bootstrapped = module.compute_values(batch)
    trained = module.compute_values(batch, module.forward_train(batch)[Columns.EMBEDDINGS])
    torch.testing.assert_close(bootstrapped, trained)
    assert not bootstrapped.requires_grad


def test_a_recurrent_pass_over_a_sequence_equals_its_steps_one_by_one(monkeypatch):
    module = module_of(recurrent=True, max_seq_len=4)
    assert module.is_stateful()
    obs = observations(3, 4)
    start = {"h": module.get_initial_state()["h"].repeat(3, 1)}
    whole = module.forward_inference({Columns.OBS: obs, Columns.STATE_IN: start})
    state, steps = start, []
    for t in range(4):
        part = {key: value[:, t : t + 1] for key, value in obs.items()}
        output = module.forward_inference({Columns.OBS: part, Columns.STATE_IN: state})
        state = output[Columns.STATE_OUT]
        steps.append(output[Columns.ACTION_DIST_INPUTS])
    torch.testing.assert_close(torch.cat(steps, dim=1), whole[Columns.ACTION_DIST_INPUTS])
    torch.testing.assert_close(state["h"], whole[Columns.STATE_OUT]["h"])
    monkeypatch.setattr(GoalConditionedModule, "_CHUNK", 4)
    values = module.compute_values({Columns.OBS: obs, Columns.STATE_IN: start})
    assert values.shape == (3, 4)


def test_two_policies_with_one_seed_act_alike_and_the_deterministic_one_takes_the_mode():
    module = module_of()
    batches = [observations(6, seed=seed) for seed in range(5)]
    first, second = Policy(module, seed=3), Policy(module, seed=3)
    torch.manual_seed(99)  # The global generator must not matter.
    runs = [[policy.act(batch).tolist() for batch in batches] for policy in (first, second)]
    assert runs[0] == runs[1]
    assert runs[0] != [Policy(module, seed=4).act(batch).tolist() for batch in batches]
    best = Policy(module, deterministic=True).act(batches[0])
    assert best.tolist() == logits_of(module, batches[0]).argmax(dim=1).tolist()
    assert best.dtype == np.int64


def test_a_recurrent_policy_remembers_until_it_is_reset():
    module = module_of(recurrent=True)
    with torch.no_grad():
        module.policy_head.weight.mul_(1000)
    policy = Policy(module, deterministic=True)
    rows = [observations(2, seed=seed) for seed in range(6)]
    fresh = []
    for row in rows:
        policy.reset()
        fresh.append(policy.act(row).tolist())
    policy.reset()
    kept = [policy.act(row).tolist() for row in rows]
    assert kept[0] == fresh[0]
    assert kept != fresh
    policy.reset()
    partly = []
    for row in rows:
        policy.reset([1])
        partly.append(policy.act(row).tolist())
    assert [actions[1] for actions in partly] == [actions[1] for actions in fresh]
    assert [actions[0] for actions in partly] == [actions[0] for actions in kept]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: module_of(observation_space=Box(0, 1, (3,))), "Dict"),
        (lambda: module_of(action_space=Box(0, 1, (3,))), "Discrete"),
        (lambda: module_of(tap_grid=(4, 4)), "more cells"),
        (lambda: GoalModuleConfig(channels=()), "one number a layer"),
        (lambda: GoalModuleConfig(channels=(8, 8), strides=(4,)), "one number a layer"),
        (lambda: GoalModuleConfig(channels=(0,), strides=(4,)), "positive"),
        (lambda: GoalModuleConfig(channel=(8,)), "channels"),
    ],
)
def test_what_the_module_cannot_work_with_is_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()


@pytest.mark.parametrize("sizes", [{}, {"tap_grid": (3, 3)}, {"recurrent": True}])
def test_training_in_bf16_is_near_fp32_and_sampling_is_the_same(sizes):
    exact, fast = (module_of(**sizes, training_precision=precision) for precision in ("fp32", "bf16"))
    lead = (2, 4) if "recurrent" in sizes else (8,)
    batch = {Columns.OBS: observations(*lead)}
    if "recurrent" in sizes:
        batch[Columns.STATE_IN] = {"h": torch.zeros(2, SIZES["hidden_dim"])}
    torch.testing.assert_close(logits_of_batch(fast, batch), logits_of_batch(exact, batch), rtol=0, atol=0)
    outputs, values = [], []
    for module in (exact, fast):
        output = module.forward_train(batch)
        assert output[Columns.ACTION_DIST_INPUTS].dtype == output[Columns.EMBEDDINGS].dtype == torch.float32
        (output[Columns.ACTION_DIST_INPUTS].square().mean()).backward()
        outputs.append(output[Columns.EMBEDDINGS].detach())
        values.append(module.compute_values(batch))
    assert not torch.equal(*outputs), "bf16 was not used"
    torch.testing.assert_close(outputs[1], outputs[0], rtol=0.05, atol=0.02)
    torch.testing.assert_close(values[1], values[0], rtol=0.05, atol=0.02)
    gradients = [module.image_encoder.stem.weight.grad.flatten() for module in (exact, fast)]
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99


@pytest.mark.parametrize("multiplies_bf16", [True, False])
def test_auto_trains_in_bf16_where_the_device_has_it(monkeypatch, multiplies_bf16):
    monkeypatch.setattr(rl_module, "multiplies_bf16", lambda device: multiplies_bf16)
    batch = {Columns.OBS: observations(8)}
    expected = module_of(training_precision="bf16" if multiplies_bf16 else "fp32").forward_train(batch)
    got = module_of(training_precision="auto").forward_train(batch)
    assert torch.equal(got[Columns.EMBEDDINGS], expected[Columns.EMBEDDINGS])


def logits_of_batch(module, batch):
    return module.forward_inference(batch)[Columns.ACTION_DIST_INPUTS]
