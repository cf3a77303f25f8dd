"""The HTTP API: paths, their order of checks, and the OpenAPI document."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from vlm_rewards.extras import needs_extra

with needs_extra("serve"):
    from fastapi import Depends, FastAPI, Header, Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse, Response
    from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
    from starlette.exceptions import HTTPException

from vlm_rewards.errors import RewardServiceUnavailableError, VLMRewardsError
from vlm_rewards.service.http import messages
from vlm_rewards.service.http.admission import Admission, Share
from vlm_rewards.service.http.answers import json_answer
from vlm_rewards.service.http.backend import TransportBackend
from vlm_rewards.service.http.body import media_type, read_body
from vlm_rewards.service.http.docs_page import add_docs_page
from vlm_rewards.service.http.envelope import Envelope
from vlm_rewards.service.http.errors import KINDS, HttpError, http_error
from vlm_rewards.service.http.limits import HttpLimits
from vlm_rewards.service.http.playground import add_playground_page
from vlm_rewards.service.http.requests import Reading, Work, embed_work, score_work, scored, texts_work
from vlm_rewards.service.http.steps import ClientGoneError, Steps, while_connected
from vlm_rewards.service.http.tokens import BearerTokens
from vlm_rewards.service.http.wire import JSON, MEDIA_TYPE, pack

FINGERPRINT_HEADER = "X-Reward-Fingerprint"
# What nginx logs for callers who have left; nobody receives it.
_CLIENT_GONE = 499
_DESCRIPTION = """Rewards of frozen vision-language models. A model scores images against its goals, which
`GET /v1/models` lists. Send PNG or JPEG as JSON, or uint8 arrays as safetensors. Each answer carries the
fingerprint of the reward that gave it: keep it beside your results, and stop when it changes."""

Timeout = Annotated[
    float | None, Header(alias="X-Timeout-S", gt=0, allow_inf_nan=False, description="Seconds to wait for the answer.")
]


def create_app(
    backend: TransportBackend,
    limits: HttpLimits | None = None,
    tokens: BearerTokens | None = None,
    labels_answers: bool = True,
) -> FastAPI:
    """Make the application.

    Args:
        backend: The models.
        limits: Limits of requests; the usual ones if None.
        tokens: Who may call; callers on this machine alone if None.
        labels_answers: Whether to put `X-Request-ID` into answers; False where the server does so, as Serve's proxy.

    Returns:
        An ASGI application for `LocalServer`, any ASGI server, or a Ray Serve ingress. Its `state.admission` says what
        is at work, and `state.authorized` is the dependency of paths that others add.
    """
    limits, tokens = limits or HttpLimits(), tokens or BearerTokens()
    admission, steps = Admission(limits), Steps()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        tokens.announce()
        yield

    app = FastAPI(
        title="vlm_rewards",
        version="1",
        description=_DESCRIPTION,
        redirect_slashes=False,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.admission = admission
    app.add_middleware(Envelope, labels_answers=labels_answers, max_header_bytes=limits.max_header_bytes)
    add_docs_page(app)
    add_playground_page(app)
    bearer = HTTPBearer(auto_error=False, description="Needed where the gateway has tokens configured.")

    async def authorized(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
    ) -> None:
        host = request.client.host if request.client else None
        tokens.check(credentials.credentials if credentials else None, host, request.headers.getlist("host"))

    async def may_know(request: Request) -> None:
        # What there is under these paths and what not is for those who may call.
        if request.url.path.startswith("/v1/"):
            await authorized(request, await bearer(request))

    app.state.authorized = authorized
    _add_error_handlers(app, may_know)

    async def work_of(
        request: Request, parse: Callable[..., Reading], answer: Callable[..., Any], timeout_s: float | None
    ) -> Response:
        """Order matters: whatever is cheap to refuse is refused before anything is read, parsed or decoded."""
        arrived = time.monotonic()
        with admission.enter() as share:
            kind = media_type(request)
            body = await read_body(request, limits, share, timeout_s)
            left_s = limits.timeout_s
            if timeout_s is not None:  # a caller's patience begins with the request; ours with its last byte
                left_s = max(0.001, min(left_s, arrived + timeout_s - time.monotonic()))
            reading = parse(kind == JSON, body, limits, share)
            del body
            return await while_connected(request, answered(request, kind, reading, answer, share, left_s), left_s)

    async def answered(
        request: Request, kind: str, reading: Reading, answer: Callable[..., Any], share: Share, left_s: float
    ) -> Response:
        deadline = time.monotonic() + left_s
        work = await steps.finish(reading, share, left_s)
        log = request.state.log
        log.update(model=work.parameters.model[:100], frames=work.count)
        fingerprint, arrays, values = await answer(work, share, max(0.001, deadline - time.monotonic()))
        log["fingerprint"] = fingerprint[:12]
        headers = {FINGERPRINT_HEADER: fingerprint}
        values = {"model": work.parameters.model, "fingerprint": fingerprint, **values}
        if kind == JSON:
            del work
            return await asyncio.to_thread(json_answer, values, arrays, headers, share)
        return Response(pack(arrays, values), media_type=MEDIA_TYPE, headers=headers)

    @app.post(
        "/v1/score",
        dependencies=[Depends(authorized)],
        summary="Score images against goals",
        response_model=messages.ScoreResponse,
        responses={**_errors(*_WORK_CODES), 200: _answer("float32 arrays `scores` and `rewards`")},
        openapi_extra=_body(messages.ScoreRequest, _SCORE_EXAMPLES, "frames", "goals` or `goal_per_image"),
    )
    async def score(request: Request, timeout_s: Timeout = None) -> Response:
        """Score every image against every goal, or each against its own, and say what reward that is.

        As safetensors: a tensor `frames`, uint8 (N, H, W, 3), and `model` with `goals` or `goal_per_image` as JSON
        in the metadata. The answer has the form of the request.
        """

        async def answer(work: Work, share: Share, left_s: float) -> Any:
            result = await scored(backend, work, share, left_s)
            model = work.parameters.model
            description = await backend.description_of(model, result.fingerprint, left_s)
            goals = work.parameters.goals
            goals = work.parameters.goal_per_image if goals is None else goals
            arrays = {"scores": result.scores, "rewards": description.reward(result.scores)}
            return result.fingerprint, arrays, {"goals": goals}

        return await work_of(request, score_work, answer, timeout_s)

    @app.post(
        "/v1/embed",
        dependencies=[Depends(authorized)],
        summary="Embed images",
        response_model=messages.EmbedResponse,
        responses={**_errors(*_WORK_CODES), 200: _answer("a float32 array `embeddings`")},
        openapi_extra=_body(messages.EmbedRequest, _EMBED_EXAMPLES, "frames", "model"),
    )
    async def embed(request: Request, timeout_s: Timeout = None) -> Response:
        """Return the unit vectors from which scores are made; the fingerprint is the encoder's."""

        async def answer(work: Work, share: Share, left_s: float) -> Any:
            parts = [await backend.embed(work.parameters.model, frames, left_s, share) for _, frames in work.groups]
            fingerprint = work.one_fingerprint(part.fingerprint for part in parts)
            return fingerprint, {"embeddings": work.joined([part.embeddings for part in parts])}, {}

        return await work_of(request, embed_work, answer, timeout_s)

    @app.post(
        "/v1/embed_texts",
        dependencies=[Depends(authorized)],
        summary="Embed texts",
        response_model=messages.TextsResponse,
        responses=_errors(*_WORK_CODES),
        openapi_extra=_json_body(messages.TextsRequest, _TEXTS_EXAMPLES),
    )
    async def embed_texts(request: Request, timeout_s: Timeout = None) -> Response:
        """Return the unit vectors of captions, which need be no goals of the model.

        Their dot products with the vectors of `POST /v1/embed` are the cosines from which rewards are made.
        """

        async def answer(work: Work, share: Share, left_s: float) -> Any:
            parameters = work.parameters
            result = await backend.embed_texts(parameters.model, parameters.texts, left_s, share)
            values = {"words": result.words, "unknown": result.unknown}
            return result.fingerprint, {"embeddings": result.embeddings}, values

        return await work_of(request, texts_work, answer, timeout_s)

    @app.get(
        "/v1/models",
        dependencies=[Depends(authorized)],
        summary="List the models that run",
        response_model=messages.ModelList,
        responses=_errors("unauthorized", "headers_too_large", "internal", "unavailable", "timeout"),
    )
    async def models() -> JSONResponse:
        """Name, fingerprints, image sizes and goals. A model that does not answer now is left out."""
        names = await backend.models(limits.timeout_s)
        described = await asyncio.gather(
            *(backend.describe(name, limits.timeout_s) for name in names), return_exceptions=True
        )
        listed = []
        for name, description in zip(names, described, strict=True):
            if isinstance(description, BaseException):
                if not isinstance(description, VLMRewardsError | HttpError):
                    raise description
                continue
            listed.append({"name": name, **description.model_dump(mode="json")})
        return JSONResponse({"models": listed})

    @app.get(
        "/v1/models/{model:path}",  # hub ids have a slash
        dependencies=[Depends(authorized)],
        summary="Describe one model",
        response_model=messages.ModelInfo,
        responses=_errors(
            "unauthorized",
            "unknown_model",
            "invalid_request",
            "headers_too_large",
            "internal",
            "unavailable",
            "timeout",
        ),
    )
    async def model_info(model: str, timeout_s: Timeout = None) -> JSONResponse:
        """Return what the model computes now: fingerprint, image size, goals, and how scores become rewards."""
        limits.check_texts("model", [model])
        description = await backend.describe(model, min(timeout_s or limits.timeout_s, limits.timeout_s))
        return JSONResponse(
            {"name": model, **description.model_dump(mode="json")},
            headers={FINGERPRINT_HEADER: description.fingerprint},
        )

    @app.get(
        "/healthz",
        summary="Is the gateway alive?",
        response_model=messages.Health,
        responses=_errors("headers_too_large", "internal"),
    )
    async def healthz() -> JSONResponse:
        """Answer 200 while the process lives."""
        return JSONResponse({"status": "ok"})

    @app.get(
        "/readyz",
        summary="Can anything be scored?",
        response_model=messages.Health,
        responses=_errors("headers_too_large", "internal", "unavailable", "timeout"),
    )
    async def readyz() -> JSONResponse:
        """Answer 200 when at least one model runs."""
        if not await backend.models(limits.timeout_s):
            raise RewardServiceUnavailableError("no reward model runs here; deploy one")
        return JSONResponse({"status": "ok"})

    return app


def _add_error_handlers(app: FastAPI, may_know: Callable[[Request], Awaitable[None]]) -> None:
    def respond(error: HttpError, request: Request) -> JSONResponse:
        request.state.log["code"] = error.code
        return JSONResponse(error.body, error.status, headers=error.headers)

    @app.exception_handler(HttpError)
    async def ours(request: Request, error: HttpError) -> JSONResponse:
        return respond(error, request)

    @app.exception_handler(ClientGoneError)
    async def nobodys(request: Request, error: ClientGoneError) -> Response:
        request.state.log["code"] = "client_gone"
        return Response(status_code=_CLIENT_GONE)

    @app.exception_handler(VLMRewardsError)
    async def the_librarys(request: Request, error: VLMRewardsError) -> JSONResponse:
        return respond(http_error(error), request)

    @app.exception_handler(HTTPException)
    async def the_frameworks(request: Request, error: HTTPException) -> JSONResponse:
        try:
            await may_know(request)
        except HttpError as refusal:
            return respond(refusal, request)
        what = f"{request.method} {request.url.path[:100]}"
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request")
        message = {404: f"there is no {what}", 405: f"there is no {what}"}.get(error.status_code, str(error.detail))
        return respond(HttpError(code, message, headers=dict(error.headers or {})), request)

    @app.exception_handler(RequestValidationError)
    async def the_validators(request: Request, error: RequestValidationError) -> JSONResponse:
        problem = error.errors()[0]
        where = ".".join(str(piece) for piece in problem["loc"])
        return respond(HttpError("invalid_request", f"{where}: {problem['msg']}"), request)


_WORK_CODES = (
    "invalid_body",
    "unauthorized",
    "unknown_model",
    "body_too_slow",
    "too_large",
    "headers_too_large",
    "unsupported_media_type",
    "invalid_frames",
    "invalid_argument",
    "invalid_request",
    "service_error",
    "non_finite_reward",
    "internal",
    "unavailable",
    "overloaded",
    "timeout",
)
_SCORE_EXAMPLES = {
    "every image against every goal": {
        "model": "reward-pocket",
        "images": [messages.EXAMPLE_IMAGE],
        "goals": ["gmail", "maps"],
    },
    "each image against its own goal": {
        "model": "reward-pocket",
        "images": [messages.EXAMPLE_IMAGE],
        "goal_per_image": ["gmail"],
    },
}
_TEXTS_EXAMPLES = {
    "a goal and a negative": {
        "model": "reward-pocket",
        "texts": ["Screenshot of Gmail on Android", "Screenshot of the home screen on Android"],
    }
}
_EMBED_EXAMPLES = {"one image": {"model": "reward-pocket", "images": [messages.EXAMPLE_IMAGE]}}


def _json_body(model: type[messages.Message], examples: dict[str, Any]) -> dict[str, Any]:
    """Return the request body's part of the document; FastAPI reads no body here, since it would read all of it."""
    content = {
        "schema": model.model_json_schema(),
        "examples": {name: {"value": value} for name, value in examples.items()},
    }
    return {"requestBody": {"required": True, "content": {JSON: content}}}


def _body(model: type[messages.Message], examples: dict[str, Any], tensor: str, metadata: str) -> dict[str, Any]:
    """Return the same for a path that takes arrays too."""
    described = f"safetensors: `{tensor}` uint8 (N, H, W, 3); metadata: JSON in `model` and in `{metadata}`"
    body = _json_body(model, examples)
    content = {"schema": {"type": "string", "format": "binary", "description": described}}
    body["requestBody"]["content"][MEDIA_TYPE] = content
    return body


def _answer(arrays: str) -> dict[str, Any]:
    return {
        "description": "Done. The fingerprint is in the header too.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary", "description": arrays}}},
        "headers": {FINGERPRINT_HEADER: {"schema": {"type": "string"}, "description": "Of the reward."}},
    }


def _errors(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return the documented errors: the codes of each status."""
    by_status: dict[int | str, list[str]] = {}
    for code in codes:
        by_status.setdefault(KINDS[code].status, []).append(code)
    return {
        status: {"model": messages.ErrorBody, "description": "Codes: " + ", ".join(f"`{code}`" for code in names)}
        for status, names in sorted(by_status.items(), key=lambda item: str(item[0]))
    }
