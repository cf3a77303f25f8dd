"""Keeps instructions out of the captions that a reward model learns from."""

import re
from collections.abc import Iterable

from vlm_rewards.errors import ConfigError

# Words that ask for an action. The first list is refused anywhere, the second at the start of a caption, where "find a
# ball" is a task and "a phone on a table" is not.
_ANYWHERE = {"open", "opens", "opening", "launch", "launches", "please", "task", "goal"}
_AT_THE_START = {
    *("go", "find", "lift", "put", "pick", "place", "tap", "press", "click", "swipe", "scroll", "start", "run", "use"),
    *("navigate", "show", "move", "grab", "reach", "get", "bring", "switch", "turn", "close", "type", "touch"),
}


def check_wording(captions: Iterable[str]) -> None:
    """Make sure that captions describe, and never instruct.

    A pocket CLIP stands in for an off-the-shelf model, which has not been trained on the tasks' own wording.

    Raises:
        ConfigError: A caption is empty or is worded as a task.
    """
    for caption in captions:
        words = re.findall(r"[a-z']+", caption.lower())
        if not caption.strip():
            raise ConfigError("the caption source gives an empty caption; describe what the image shows")
        instructing = _ANYWHERE.intersection(words) or _AT_THE_START.intersection(words[:1])
        if instructing:
            raise ConfigError(
                f"the caption {caption!r} is worded as a task ({', '.join(sorted(instructing))}); "
                "captions must describe what the image shows"
            )
