"""The JSON of the HTTP API, and the parameters that its binary form shares with it."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from vlm_rewards.reward_model import RewardDescription
from vlm_rewards.service.http.errors import HttpError
from vlm_rewards.service.http.limits import HttpLimits
from vlm_rewards.strict_config import near_matches

# A plain PNG of 8 x 8 pixels, so that the examples can be sent as they are.
EXAMPLE_IMAGE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFUlEQVR42mNMaFjAgA0wMeAAg1MCAC/XAZAAI3yiAAAAAElFTkSuQmCC"
)


class Message(BaseModel):
    """Base of all requests: unknown keys are refused, so that a misspelt one is not silently ignored."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def parsed(cls, values: Any) -> Self:
        """Check values that were read from a body. What is wrong first is what the caller is told.

        Raises:
            HttpError: `invalid_request`: they do not fit.
        """
        if not isinstance(values, dict):
            raise HttpError("invalid_request", f"the request is a {type(values).__name__} and no object")
        for name in values:
            # Before pydantic, which would collect an error for each of them.
            if name not in cls.model_fields:
                raise HttpError(
                    "invalid_request",
                    f"there is no key {name[:60]!r}",
                    f"{near_matches(name[:60], cls.model_fields)}; compare the request with the examples at /docs",
                )
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(str(piece)[:60] for piece in problem["loc"]) or "the request"
            message = problem["msg"].removeprefix("Value error, ")
            raise HttpError("invalid_request", f"{where}: {message}") from error


def _first_wrong(values: Any) -> Any:
    """Refuse a list at its first member that is no text: pydantic's errors for a million would take a gigabyte."""
    if isinstance(values, list):
        for index, value in enumerate(values):
            if not isinstance(value, str):
                raise ValueError(f"entry {index} is no text but {type(value).__name__}")
    return values


Texts = Annotated[list[str], BeforeValidator(_first_wrong)]


class EmbedParameters(Message):
    """What to do with images.

    Attributes:
        model: Name of a model of `GET /v1/models`.
    """

    model: str = Field(description="Name of a model of GET /v1/models.", examples=["reward-pocket"])

    def check(self, images: int, limits: HttpLimits) -> None:
        """Refuse what is beyond the limits.

        Raises:
            HttpError: It is.
        """
        limits.check_texts("model", [self.model])


class TextsRequest(EmbedParameters):
    """Body of `POST /v1/embed_texts`.

    Attributes:
        texts: Whole captions, as a prompt template gives them; none of them blank.
    """

    texts: Texts = Field(min_length=1, description="Whole captions, with the words of a template already around them.")

    def check(self, images: int, limits: HttpLimits) -> None:
        """Refuse what is beyond the limits.

        Raises:
            HttpError: It is.
        """
        super().check(images, limits)
        if len(self.texts) > limits.max_texts:
            raise HttpError("too_large", f"{len(self.texts)} texts", f"send at most {limits.max_texts} in one request")
        for index, text in enumerate(self.texts):
            if not text.strip():
                raise HttpError(
                    "invalid_request", f"text {index} is empty", "leave it out, or write what the image should show"
                )
        limits.check_texts("text", set(self.texts))


class ScoreParameters(EmbedParameters):
    """What to score images against.

    Attributes:
        goals: Every image is scored against every one of them.
        goal_per_image: As many as images; each image is scored against its own.
    """

    goals: Texts | None = Field(
        default=None, description="Score every image against every one of these goals; the images are embedded once."
    )
    goal_per_image: Texts | None = Field(
        default=None, description="Score each image against its own goal: as many goals as images. Excludes `goals`."
    )

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.goals is None) == (self.goal_per_image is None):
            raise ValueError("send either goals or goal_per_image")
        return self

    def check(self, images: int, limits: HttpLimits) -> None:
        """Refuse what is beyond the limits, or not one goal an image.

        Raises:
            HttpError: It is.
        """
        super().check(images, limits)
        if self.goals is not None:
            limits.check_grid(images, len(self.goals))
        elif self.goal_per_image is not None and len(self.goal_per_image) != images:
            raise HttpError(
                "invalid_request",
                f"{images} images came with {len(self.goal_per_image)} goals in goal_per_image",
                "send one goal an image, or use goals",
            )
        limits.check_texts("goal", set(self.goals or self.goal_per_image or ()))


class ImageMessage(Message):
    """Images as files.

    Attributes:
        images: Base64 of PNG or JPEG files.
    """

    images: Texts = Field(min_length=1, description="Base64 of PNG or JPEG files, or data URLs of them.")


class ScoreRequest(ImageMessage, ScoreParameters):
    """Body of `POST /v1/score`."""


class EmbedRequest(ImageMessage, EmbedParameters):
    """Body of `POST /v1/embed`."""


class ScoreResponse(BaseModel):
    """Answer of `POST /v1/score`.

    Attributes:
        model: As asked for.
        fingerprint: Fingerprint of the reward; equal fingerprints give equal rewards.
        goals: As asked for, in the order of the columns; the goals of the images where each has its own.
        scores: p(goal), or a dense form's score: (N, G) for `goals`, (N,) for `goal_per_image`.
        rewards: Rewards of the same shape, what the reward's form makes of the scores.
    """

    model: str
    fingerprint: str
    goals: list[str]
    scores: list[float] | list[list[float]]
    rewards: list[float] | list[list[float]]


class EmbedResponse(BaseModel):
    """Answer of `POST /v1/embed`.

    Attributes:
        model: As asked for.
        fingerprint: Fingerprint of the encoder, which alone decides an embedding.
        embeddings: (N, D), each row of length 1.
    """

    model: str
    fingerprint: str
    embeddings: list[list[float]]


class TextsResponse(BaseModel):
    """Answer of `POST /v1/embed_texts`.

    Attributes:
        model: As asked for.
        fingerprint: Fingerprint of the encoder, that of `POST /v1/embed`: dot products of the two are cosines.
        embeddings: (M, D), each row of length 1.
        words: How many tokens of each text are its own; null where the model does not say.
        unknown: How many of those the model does not know; null likewise.
    """

    model: str
    fingerprint: str
    embeddings: list[list[float]]
    words: list[int] | None
    unknown: list[int] | None


class ModelInfo(RewardDescription):
    """One model of `GET /v1/models`.

    Attributes:
        name: Name by which requests ask for it.
    """

    name: str


class ModelList(BaseModel):
    """Answer of `GET /v1/models`.

    Attributes:
        models: Those that answer now.
    """

    models: list[ModelInfo]


class Health(BaseModel):
    """Answer of `GET /healthz` and `GET /readyz`.

    Attributes:
        status: `ok`.
    """

    status: str = "ok"


class ErrorDetail(BaseModel):
    """What is wrong.

    Attributes:
        code: Code for programs; part of the API.
        message: What is wrong.
        fix: What to do.
    """

    code: str
    message: str
    fix: str


class ErrorBody(BaseModel):
    """Body of every answer that is not a success.

    Attributes:
        error: What is wrong.
    """

    error: ErrorDetail
