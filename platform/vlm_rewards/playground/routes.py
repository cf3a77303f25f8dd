"""The paths by which the page steps environments: small JSON, and the checks that the gateway's other paths have."""

import asyncio
import base64
from typing import Annotated, Any

from vlm_rewards.extras import needs_extra

with needs_extra("serve"):
    from fastapi import Depends, FastAPI, Request
    from fastapi.responses import JSONResponse

from pydantic import Field
from pydantic_core import from_json

from vlm_rewards.errors import VLMRewardsError
from vlm_rewards.playground.desk import Desk
from vlm_rewards.service.http.body import media_type, read_body
from vlm_rewards.service.http.errors import HttpError
from vlm_rewards.service.http.limits import HttpLimits
from vlm_rewards.service.http.messages import Message
from vlm_rewards.service.http.wire import JSON

# Bodies here are a few names.
_LIMITS = HttpLimits(max_body_bytes=4096)


class OpenRequest(Message):
    """Body of `POST /playground/environments/open`.

    Attributes:
        environment: Id of one of `GET /playground/environments`.
        goal: Id of one of its goals; null draws one.
        previous: The session whose place this episode takes.
    """

    environment: Annotated[str, Field(max_length=300)]
    goal: Annotated[str, Field(max_length=300)] | None = None
    previous: Annotated[str, Field(max_length=100)] | None = None


class StepRequest(Message):
    """Body of `POST /playground/environments/step`.

    Attributes:
        session: As opening the episode gave it.
        action: Number of an action; null takes a random one.
    """

    session: Annotated[str, Field(max_length=100)]
    action: int | None = None


def add_environments(app: FastAPI, desk: Desk) -> None:
    """Add the paths to an application that `create_app` made; they are for whoever may use its API.

    Args:
        app: The gateway's application.
        desk: The environments.
    """
    authorized = app.state.authorized

    async def body_of(request: Request, message: type[Message]) -> Any:
        # The content type is one that no page from elsewhere may send without asking.
        if media_type(request) != JSON:
            raise HttpError("unsupported_media_type", "the body is no JSON", "use the content type application/json")
        with app.state.admission.enter() as share:
            body = await read_body(request, _LIMITS, share, None)
        try:
            return message.parsed(from_json(bytes(body)))
        except ValueError as error:
            raise HttpError("invalid_body", f"the body is no JSON: {error}") from error

    @app.get("/playground/environments", dependencies=[Depends(authorized)], include_in_schema=False)
    async def environments() -> JSONResponse:
        listed, why = await asyncio.to_thread(desk.listed)
        return JSONResponse({"environments": listed, "why": why})

    @app.post("/playground/environments/open", dependencies=[Depends(authorized)], include_in_schema=False)
    async def open_episode(request: Request) -> JSONResponse:
        asked = await body_of(request, OpenRequest)
        return JSONResponse(_text(await _done(desk.open, asked.environment, asked.goal, asked.previous)))

    @app.post("/playground/environments/step", dependencies=[Depends(authorized)], include_in_schema=False)
    async def step(request: Request) -> JSONResponse:
        asked = await body_of(request, StepRequest)
        return JSONResponse(_text(await _done(desk.step, asked.session, asked.action)))


async def _done(work: Any, *arguments: Any) -> dict[str, Any]:
    try:
        state: dict[str, Any] = await asyncio.to_thread(work, *arguments)
        return state
    except VLMRewardsError:
        raise
    except Exception as error:  # whatever somebody's environment raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise VLMRewardsError(f"the environment failed ({reason}); start another episode") from error


def _text(state: dict[str, Any]) -> dict[str, Any]:
    return {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else value for name, value in state.items()
    }
