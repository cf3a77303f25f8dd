"""A Serve YAML of ours, checked whole before anything of it reaches a cluster."""

import hashlib
import json
from typing import Any, Literal

from pydantic import Field
from ray import serve

from serve_deployments import gateway, reward
from serve_deployments.gateway import GatewayArgs
from vlm_rewards.errors import ConfigError
from vlm_rewards.service.application import build_app
from vlm_rewards.service.schema import RewardUserConfig
from vlm_rewards.service.serving import RewardAppArgs
from vlm_rewards.strict_config import StrictConfig, parse_yaml

_REWARD = f"{reward.__name__}:app_builder"
_GATEWAY = f"{gateway.__name__}:app_builder"


class HttpOptions(StrictConfig):
    """Where Serve's HTTP proxies listen; taken where Serve does not run yet.

    Attributes:
        host: Address.
        port: Port.
        request_timeout_s: Seconds after which a proxy gives a request up.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8765, ge=1, le=65535)
    request_timeout_s: float | None = Field(default=None, gt=0)


class DeploymentChange(StrictConfig):
    """What replicas take over without a restart.

    Attributes:
        name: `RewardDeployment`.
        user_config: Text and thresholds.
    """

    name: Literal["RewardDeployment"] = "RewardDeployment"
    user_config: RewardUserConfig


class ServeApp(StrictConfig):
    """One application.

    Attributes:
        name: By which callers find it.
        route_prefix: Path of a gateway; null for a reward, which has none.
        import_path: A builder of ours.
        args: Its arguments.
        deployments: At most one change.
    """

    name: str = Field(min_length=1)
    route_prefix: str | None = None
    import_path: Literal["serve_deployments.reward:app_builder", "serve_deployments.gateway:app_builder"]
    args: dict[str, Any]
    deployments: tuple[DeploymentChange, ...] = Field(default=(), max_length=1)

    @property
    def is_reward(self) -> bool:
        """Whether it is a reward, and no gateway."""
        return self.import_path == _REWARD

    def reward_args(self) -> RewardAppArgs:
        """Return a reward's arguments.

        Raises:
            ConfigError: They cannot be used.
        """
        return RewardAppArgs(**self.args)

    def version(self, package: str = "") -> str:
        """Return a name of all that a replica is made of, so that another number of them restarts none.

        Args:
            package: Address of the code.
        """
        made_of = {key: value for key, value in self.args.items() if key != "replicas"}
        text = json.dumps([self.import_path, package, made_of], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def build(self, package: str = "") -> serve.Application:
        """Return the application, ready for `serve.run`.

        Args:
            package: Address of the code.

        Raises:
            ConfigError: Its arguments cannot be used, or a file that they name is missing or wrong.
        """
        try:
            if self.is_reward:
                change = self.deployments[0].user_config if self.deployments else None
                return build_app(self.reward_args(), user_config=change, version=self.version(package))
            if self.deployments:
                raise ConfigError("a gateway has no user_config; change its args")
            return gateway.build_app(GatewayArgs(**self.args), self.version(package))
        except ConfigError as error:
            raise ConfigError(f"application {self.name!r}: {error}") from error

    def target(self, package: str = "") -> serve.RunTarget:
        """Return what `serve.run_many` takes."""
        return serve.RunTarget(target=self.build(package), name=self.name, route_prefix=self.route_prefix)


class ServeFile(StrictConfig):
    """The whole file.

    Attributes:
        proxy_location: Which nodes have an HTTP proxy; taken where Serve does not run yet.
        http_options: Where they listen.
        applications: Some of the cluster's; others stay as they are.
    """

    proxy_location: Literal["Disabled", "HeadOnly", "EveryNode"] = "Disabled"
    http_options: HttpOptions = HttpOptions()
    applications: tuple[ServeApp, ...] = Field(min_length=1)

    @classmethod
    def parse(cls, text: str) -> "ServeFile":
        """Read a file's text and try all of it, without a cluster.

        Raises:
            ConfigError: It is no YAML, has an unknown key, or an application that cannot be built.
        """
        values = parse_yaml(text)
        if not isinstance(values, dict):
            raise ConfigError("the file must hold `key: value` pairs at its top level, `applications` among them")
        file = cls(**values)
        names = [app.name for app in file.applications]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"two applications are named {twice[0]!r}; rename one")
        for app in file.applications:
            app.build()
        return file
