"""The bodies of errors, as the OpenAPI file describes them; `write_error` writes them."""

from __future__ import annotations

from pydantic import BaseModel, Field

from service.api.errors import ErrorShape, media_type_of


class Problem(BaseModel):
    """An error of Lectern's own routes: problem details after RFC 9457."""

    type: str
    title: str = Field(description="The reason phrase of the status.")
    status: int
    detail: str = Field(description="What is wrong, and what would be right.")
    instance: str = Field(description="The path of the request.")
    field: str | None = Field(default=None, description="The field that is wrong; absent if it is no single one.")
    request_id: str = Field(description="The id under which the log has the request.")


class OpenAIErrorDetail(BaseModel):
    """What is wrong, in OpenAI's words."""

    message: str
    type: str
    param: str | None = Field(description="The field that is wrong.")
    code: str | None


class OpenAIError(BaseModel):
    """An error of the routes that OpenAI's clients call."""

    error: OpenAIErrorDetail


class PlainError(BaseModel):
    """An error of the Open Inference Protocol and of LibreTranslate's routes."""

    error: str


ERROR_BODIES: dict[ErrorShape, type[BaseModel]] = {
    ErrorShape.PROBLEM: Problem,
    ErrorShape.OPENAI: OpenAIError,
    ErrorShape.PLAIN: PlainError,
}


def error_content(shape: ErrorShape) -> dict[str, object]:
    """The content of an error response, as OpenAPI's map of media types."""
    reference = f"#/components/schemas/{ERROR_BODIES[shape].__name__}"
    return {media_type_of(shape): {"schema": {"$ref": reference}}}
