"""The gateway in this process, on a thread: for notebooks, examples and tests."""

import socket
import threading
import time
from types import TracebackType
from typing import Any, Self

from vlm_rewards.extras import needs_extra

with needs_extra("serve"):
    import uvicorn

from vlm_rewards.errors import ConfigError, RewardTimeoutError

_START_TIMEOUT_S = 20.0


class LocalServer:
    """Serves an ASGI application on a loopback port until it is closed.

    Attributes:
        url: Such as `http://127.0.0.1:40321`.
    """

    def __init__(self, app: Any, port: int = 0) -> None:
        """Bind the port; `start` or `with` serves.

        Args:
            app: Such as `create_app` gives.
            port: Port on 127.0.0.1; 0 takes a free one.

        Raises:
            ConfigError: The port is taken.
        """
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(("127.0.0.1", port))
        except OSError as error:
            self._socket.close()
            raise ConfigError(f"cannot listen on 127.0.0.1:{port} ({error.strerror}); choose another port") from error
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        # Its own `log_config` would close every handler that the process has: a file's then loses all that follows.
        config = uvicorn.Config(
            app, log_config=None, log_level="warning", access_log=False, timeout_graceful_shutdown=2
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="reward-http", daemon=True
        )

    def start(self) -> Self:
        """Start serving and return when requests are answered.

        Raises:
            RewardTimeoutError: The application did not start.
        """
        self._thread.start()
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RewardTimeoutError("the local reward gateway did not start; the log above says why")
            time.sleep(0.005)
        return self

    def close(self) -> None:
        """Stop serving; requests at work have two seconds to end."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(timeout=10)
        self._socket.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
