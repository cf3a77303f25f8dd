"""Look at the playhouse: `python -m envs.playhouse --help`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import typer
from gymnasium.spaces import Discrete

from envs.playhouse.env import PlayhouseEnv
from envs.playhouse.pictures import save_gif, save_png
from envs.playhouse.policies import POLICIES, make_policy
from envs.playhouse.presets import FAMILIES, load_preset, preset_names
from envs.playhouse.renderer import live_contexts
from envs.playhouse.sheets import colours_sheet, homes_sheet, things_sheet
from envs.playhouse.task_sets import write_task_sets
from vlm_rewards.errors import VLMRewardsError

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)

Preset = Annotated[str, typer.Option(help="small, medium, full, or a YAML file")]
Family = Annotated[str, typer.Option(help="find, lift or pick_place")]
Out = Annotated[Path, typer.Option(help="folder for the pictures")]
Seed = Annotated[int, typer.Option(help="seed of the first episode")]
Pack = Annotated[str | None, typer.Option(help="folder of external meshes")]


@app.command()
def sheet(preset: Preset = "full", out: Out = Path("playhouse"), size: int = 224, asset_pack: Pack = None) -> None:
    """Write contact sheets: every category at SIZE and at 64 pixels, every colour, and eight homes."""
    env = PlayhouseEnv("find", preset, asset_pack=asset_pack)
    pictures = {
        f"things-{size}.png": things_sheet(env, size, side=size),
        "things-64.png": things_sheet(env, 64),
        "colours.png": colours_sheet(env, env.preset.category_names()[-1], size),
        "homes.png": homes_sheet(env),
    }
    env.close()
    for name, image in pictures.items():
        save_png(image, out / name)
        print(out / name)


@app.command()
def video(
    family: Family = "pick_place",
    preset: Preset = "full",
    policy: Annotated[str, typer.Option(help=", ".join(POLICIES))] = "oracle",
    seed: Seed = 0,
    out: Out = Path("playhouse"),
) -> None:
    """Write an animated GIF of one scripted episode."""
    env = _env(family, preset, render_mode="rgb_array")
    scripted = make_policy(policy, env, np.random.default_rng(seed))
    env.reset(seed=seed)
    scripted.reset()
    frames, done = [env.render()], False
    info: dict[str, Any] = {}
    while not done:
        _, _, terminated, truncated, info = env.step(scripted.act())
        frames.append(env.render())
        done = terminated or truncated
    path = out / f"{family}-{preset}-{policy}-{seed}.gif"
    save_gif(frames + frames[-1:] * 8, path)
    print(f"{path}: {env.instruction!r}, {env.steps} steps, success {info['is_success']}")
    env.close()


@app.command()
def check(
    preset: Preset = "small",
    episodes: int = 300,
    policies: Annotated[str, typer.Option(help="names, separated by commas")] = "oracle,random",
    families: Annotated[str, typer.Option(help="names, separated by commas")] = ",".join(FAMILIES),
    split: str = "train",
) -> None:
    """Print the success of scripted policies over seeds 0, 1, 2 ... (nothing is drawn)."""
    for family in families.split(","):
        env = _env(family, preset, split=split, observation_size=(16, 16))
        for name in policies.split(","):
            policy = make_policy(name, env, np.random.default_rng(0))
            failed, steps = [], 0
            for seed in range(episodes):
                env.reset(seed=seed)
                policy.reset()
                done = False
                while not done:
                    _, _, terminated, truncated, info = env.step(policy.act())
                    done = terminated or truncated
                    steps += 1
                if not info["is_success"]:
                    failed.append(seed)
            rate = 1 - len(failed) / episodes
            shown = f"; failed seeds {failed[:20]}" if name == "oracle" and failed else ""
            print(f"{family:10s} {preset} {split} {name:8s} success {rate:.3f}, {steps / episodes:.1f} steps{shown}")
            sys.stdout.flush()
        env.close()


@app.command()
def speed(preset: Preset = "small", steps: int = 2000, family: Family = "find") -> None:
    """Print steps a second with random actions, resets included, with and without a 224-pixel reward frame."""
    for reward_frames in (False, True):
        env = _env(family, preset, reward_size=(224, 224))
        rng = np.random.default_rng(0)
        actions = int(cast("Discrete[Any]", env.action_space).n)
        env.reset(seed=0)
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(steps):
            _, _, terminated, truncated, _ = env.step(int(rng.integers(actions)))
            if reward_frames:
                env.reward_frame()
            if terminated or truncated:
                env.reset()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        what = "with a 224 px reward frame a step" if reward_frames else "64 px only"
        print(f"{family} {preset}, {what}: {steps / wall:.0f} steps/s of wall time, {steps / cpu:.0f} of CPU time")
        env.close()


@app.command()
def memory(preset: Preset = "full", resets: int = 10_000, envs: int = 16) -> None:
    """Print how much resident memory grows over RESETS resets, spread over ENVS environments of one process."""
    made = [PlayhouseEnv("find", preset, observation_size=(64, 64)) for _ in range(envs)]
    for i in range(200):
        made[i % envs].reset(seed=i if i < envs else None)
    before = _resident_megabytes()
    for i in range(resets):
        made[i % envs].reset()
    after, contexts = _resident_megabytes(), live_contexts()
    for env in made:
        env.close()
    print(
        f"{resets} resets over {envs} environments: {before:.0f} MB before, {after:.0f} MB after, "
        f"{contexts} GL context, {live_contexts()} after closing"
    )


def _env(family: str, preset: str, **options: Any) -> PlayhouseEnv:
    """Return an environment, which refuses a family or a split that does not exist."""
    kind: Any = family
    return PlayhouseEnv(kind, preset, **options)


def _resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@app.command()
def drive(family: Family = "find", preset: Preset = "small", seed: Seed = 0, out: Out = Path("playhouse")) -> None:
    """Drive from the terminal; every step rewrites OUT/drive.png (watch it in an image viewer)."""
    env = _env(family, preset, render_mode="rgb_array")
    env.reset(seed=seed)
    keys = {"w": "forward", "s": "backward", "a": "turn_left", "d": "turn_right"}
    keys |= {"r": "look_up", "f": "look_down", "g": "grab", "h": "release"}
    keys = {key: name for key, name in keys.items() if name in env.action_names}
    print(env.instruction)
    print("  ".join(f"{key} {name}" for key, name in keys.items()), "  n new episode  q quit; then Enter")
    while True:
        save_png(env.render(), out / "drive.png")
        line = sys.stdin.readline()
        if not line or "q" in line:
            break
        for key in line.strip():
            if key == "n":
                env.reset()
                print(env.instruction)
            elif key in keys:
                _, reward, _, truncated, info = env.step(env.action_names.index(keys[key]))
                print(f"step {env.steps}: reward {reward:.0f}, success {info['is_success']}")
                if truncated:
                    print("time is up; n starts a new episode")
            else:
                print(f"no key {key!r}")
    env.close()


@app.command()
def task_sets() -> None:
    """Write the packaged task sets anew (a change of goals or wording needs a new version)."""
    for path in write_task_sets([load_preset(name) for name in preset_names()]):
        print(path)


def main() -> None:
    """Run the command line; errors of ours are one line."""
    try:
        app()
    except VLMRewardsError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
