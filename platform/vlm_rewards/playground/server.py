"""Starting the playground, and ending it."""

import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from vlm_rewards.extras import needs_extra
from vlm_rewards.playground.desk import Desk
from vlm_rewards.playground.routes import add_environments
from vlm_rewards.service.http import LocalServer, TransportBackend, create_app
from vlm_rewards.service.transports.in_process import InProcessTransport, ModelSource

with needs_extra("serve"):
    import fastapi  # noqa: F401 for the extra to be named before anything is loaded


class Playground:
    """The gateway's application in this process, with models and environments; a context manager.

    Attributes:
        url: The page's address, such as `http://127.0.0.1:8765/playground`.
    """

    def __init__(self, models: Mapping[str, ModelSource], env_ids: Sequence[str], port: int = 0) -> None:
        """Bind the port.

        Args:
            models: What to serve, by name; each is loaded once, by `load` or by whoever asks first.
            env_ids: Gymnasium ids of environments to step.
            port: Port on 127.0.0.1; 0 takes a free one.

        Raises:
            ConfigError: The port is taken.
        """
        transports = {name: InProcessTransport(source) for name, source in models.items()}
        self._transports = transports
        self._desk = Desk(env_ids)
        app = create_app(TransportBackend(lambda: transports))
        add_environments(app, self._desk)
        self._server = LocalServer(app, port)
        self.url = f"{self._server.url}/playground"

    def load(self) -> None:
        """Load all models.

        Raises:
            VLMRewardsError: One cannot be loaded.
        """
        for transport in self._transports.values():
            transport.connect(timeout_s=0)

    def __enter__(self) -> "Playground":
        self._server.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.close()
        self._desk.close()


def serve_until_stopped(playground: Playground, ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM, which both end it without a traceback.

    Args:
        playground: What to serve.
        ready: Told the page's address once it answers.

    Raises:
        VLMRewardsError: A model cannot be loaded, or the server does not start.
    """
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with playground:
            playground.load()
            if not stopped.is_set():
                ready(playground.url)
            stopped.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
