"""A study's storage that is away for a while: an object store that does not answer, and is back a moment later."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

logger = logging.getLogger(__name__)
T = TypeVar("T")

#: Seconds for which a trial waits for its storage before it fails.
PATIENCE_S = 300.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 20.0


def outlasting(work: Callable[[], T], sleep: Callable[[float], None] = time.sleep) -> T:
    """Do what needs the storage, again and again while it does not answer.

    Without it a store that is away for a minute costs a trial all of its attempts, one right after the other.

    Args:
        work: Copies to or from the storage; begins anew each time.
        sleep: Waits for so many seconds before the next attempt.

    Returns:
        What `work` returns.

    Raises:
        OSError: What a disk says, full or read only, at once; what an object store says, after five minutes.
    """
    begin, pause, said = time.monotonic(), _FIRST_PAUSE_S, False
    while True:
        try:
            result = work()
        except OSError as error:
            # The system's own errors have a number; those of pyarrow's object stores have none.
            if error.errno is not None or time.monotonic() - begin > PATIENCE_S:
                raise
            if not said:
                logger.warning(
                    "the study's storage does not answer: the trial waits (%s)", " ".join(str(error).split())
                )
                said = True
            sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        else:
            if said:
                logger.warning("the study's storage answers again, after %.0f s", time.monotonic() - begin)
            return result
