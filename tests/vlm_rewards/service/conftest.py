"""A small task set, its reward, and one deployed application that the service tests share."""

import numpy as np
import pytest

from vlm_rewards.goals import Goal, TaskSet
from vlm_rewards.reward_model import RewardConfig, RewardModel


@pytest.fixture(scope="session")
def task_set():
    goals = tuple(Goal(id=f"app{i}", subject=f"App {i}", instruction=f"open App {i}") for i in range(6))
    return TaskSet(name="six_apps", version=1, goals=goals)


@pytest.fixture(scope="session")
def pocket_folder(tmp_path_factory):
    """A real checkpoint of the pocket CLIP's kind, tiny and untrained: the service does not mind what it knows."""
    import torch
    from transformers import BertConfig, CLIPImageProcessorPil, ResNetConfig

    from vlm_rewards.encoders.pocket_clip import PocketCLIPConfig, PocketCLIPModel
    from vlm_rewards.pretraining.tokenizer import make_tokenizer

    folder = tmp_path_factory.mktemp("pocket")
    tokenizer = make_tokenizer(["screenshot of app on android"], vocab_size=200, max_tokens=40)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = PocketCLIPModel(
            PocketCLIPConfig(
                vision_config=ResNetConfig(
                    embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"
                ).to_dict(),
                text_config=BertConfig(
                    vocab_size=len(tokenizer),
                    hidden_size=32,
                    num_hidden_layers=1,
                    num_attention_heads=2,
                    intermediate_size=64,
                    max_position_embeddings=40,
                ).to_dict(),
                projection_dim=32,
            )
        )
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil(size={"height": 48, "width": 32}, do_center_crop=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def reward_config():
    return RewardConfig(model="fake", tau=0.1, beta=0.5)


@pytest.fixture(scope="session")
def reward_model(reward_config, task_set):
    return RewardModel(reward_config, task_set)


@pytest.fixture(scope="session")
def pocket_model(pocket_folder, task_set):
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield RewardModel(RewardConfig(model=str(pocket_folder), tau=0.1, beta=0.5), task_set)
    torch.set_num_threads(threads)


@pytest.fixture
def make_request(task_set):
    """Returns a function that draws a request: uint8 frames (n, size, size, 3) and n goal ids."""

    def draw(n: int, seed: int = 0, size: int = 32):
        rng = np.random.default_rng(seed)
        frames = rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8)
        return frames, [task_set.goals[index].id for index in rng.integers(0, len(task_set.goals), n)]

    return draw


@pytest.fixture(scope="session")
def reward_app(ray_session, reward_config, task_set):
    """Name of a running application with the fake encoder, batches of at most 32 frames."""
    from vlm_rewards.service.deploying import deploy
    from vlm_rewards.service.serving import RewardAppArgs

    deploy(RewardAppArgs(reward=reward_config, task_set=task_set, num_cpus=0.1, max_batch_frames=32), "service-tests")
    return "service-tests"


@pytest.fixture(scope="session")
def pocket_app(ray_session, pocket_model, task_set):
    """Name of a running application with the tiny checkpoint, batches of at most 32 frames."""
    from vlm_rewards.service.deploying import deploy
    from vlm_rewards.service.serving import RewardAppArgs

    args = RewardAppArgs(reward=pocket_model.config, task_set=task_set, num_cpus=0.1, max_batch_frames=32)
    deploy(args, "service-tests-pocket")
    return "service-tests-pocket"


@pytest.fixture(scope="session")
def gateway():
    """Address of a running gateway on a socket, and the dict of the transports by model that it serves."""
    from vlm_rewards.service.http import LocalServer, TransportBackend, create_app

    models = {}
    with LocalServer(create_app(TransportBackend(lambda: dict(models), refresh_s=0.0))) as server:
        yield server.url, models
