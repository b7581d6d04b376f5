"""Every error has a status, a shape by its route's family, and tells nothing it should not."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator

import pytest
from fastapi import APIRouter
from starlette.testclient import TestClient

from service import errors
from service.api.errors import STATUS, phrase, status_of
from service.app import create_app
from service.observability import JsonFormatter
from service.settings import Settings
from service.tasks.image_classification.predictor import ImageClassificationPredictor
from tests.support.server import pixels

SECRET = "/home/alice/.ssh/id_rsa"

ERRORS: list[errors.LecternError] = [
    errors.InvalidRequest("wrong", "texts[3]"),
    errors.MalformedBody("broken"),
    errors.PayloadTooLarge("large"),
    errors.UnsupportedMedia("media"),
    errors.UnknownModel("unknown"),
    errors.NotReady("not yet", 7),
    errors.Saturated("full", 7),
    errors.Forbidden("off"),
    errors.DeadlineExceeded("late"),
    errors.ModelFailure(SECRET),
]


def _tree(kind: type[errors.LecternError]) -> Iterator[type[errors.LecternError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _tree(below)


def test_every_error_has_a_status() -> None:
    assert set(_tree(errors.LecternError)) == STATUS.keys()


def test_the_drawn_tree_is_the_real_one() -> None:
    assert errors.__doc__ is not None
    drawn = set(re.findall(r"\b[A-Z][A-Za-z]+(?= {2,}|$)", errors.__doc__, re.MULTILINE))
    assert drawn == {kind.__name__ for kind in _tree(errors.LecternError)}


@pytest.mark.parametrize(
    ("error", "ours", "protocol"),
    [
        (errors.InvalidRequest("x"), 422, 400),
        (errors.MalformedBody("x"), 400, 400),
        (errors.UnknownModel("x"), 404, 404),
        (errors.DeadlineExceeded("x"), 504, 504),
        (errors.Saturated("x"), 503, 503),
        (errors.ModelFailure("x"), 500, 500),
        (ValueError("x"), 500, 500),
    ],
)
def test_statuses_of_both_families(error: Exception, ours: int, protocol: int) -> None:
    assert status_of(error, "/v1/classify") == ours
    assert status_of(error, "/v2/models/digits/infer") == protocol


def test_names_of_statuses_do_not_depend_on_the_python_version() -> None:
    assert phrase(404) == "Not Found"
    assert phrase(413) == "Content Too Large"
    assert phrase(422) == "Unprocessable Content"


@pytest.fixture
def failing(settings: Settings) -> Iterator[TestClient]:
    """An application with routes in every family that raise the errors above, by number."""
    app = create_app(settings)
    router = APIRouter()

    async def fail(number: int) -> None:
        raise [*ERRORS, KeyError(SECRET), RuntimeError(SECRET)][number]

    for prefix in ("/v1/fail", "/v2/fail", "/v1/models/fail"):
        router.add_api_route(prefix + "/{number}", fail)
    app.router.routes[:0] = router.routes
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_our_routes_answer_problem_json(failing: TestClient, number: int) -> None:
    error = ERRORS[number]
    response = failing.get(f"/v1/fail/{number}", headers={"x-request-id": "id-1"})
    status = STATUS[type(error)]
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    detail = problem.pop("detail")
    field = {"field": "texts[3]"} if isinstance(error, errors.InvalidRequest) and error.field else {}
    assert problem == {
        "type": "about:blank",
        "title": phrase(status),
        "status": status,
        "instance": f"/v1/fail/{number}",
        "request_id": "id-1",
        **field,
    }
    if status == 500:
        assert SECRET not in response.text
    else:
        assert detail == str(error)


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_the_protocols_routes_answer_an_error_and_nothing_else(failing: TestClient, number: int) -> None:
    response = failing.get(f"/v2/fail/{number}")
    assert response.headers["content-type"] == "application/json"
    assert response.json().keys() == {"error"}
    assert isinstance(response.json()["error"], str)
    assert SECRET not in response.text
    assert response.status_code == (400 if number == 0 else STATUS[type(ERRORS[number])])


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_openais_routes_answer_openais_object(failing: TestClient, number: int) -> None:
    response = failing.get(f"/v1/models/fail/{number}")
    body = response.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"message", "type", "param", "code"}
    kind = {403: "permission_error", 500: "server_error", 503: "server_error", 504: "server_error"}
    assert body["error"]["type"] == kind.get(response.status_code, "invalid_request_error")
    assert body["error"]["param"] == ("texts[3]" if number == 0 else None)
    assert SECRET not in response.text


@pytest.mark.parametrize("family", ["/v1/fail", "/v2/fail", "/v1/models/fail"])
@pytest.mark.parametrize(
    "number", [number for number, error in enumerate(ERRORS) if isinstance(error, errors.Unavailable)]
)
def test_what_is_unavailable_says_when_to_come_back(failing: TestClient, family: str, number: int) -> None:
    response = failing.get(f"{family}/{number}")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "7"


@pytest.mark.parametrize("family", ["/v1/fail", "/v2/fail", "/v1/models/fail"])
@pytest.mark.parametrize("number", [len(ERRORS), len(ERRORS) + 1])
def test_an_unforeseen_error_is_in_the_log_and_not_in_the_answer(
    failing: TestClient, family: str, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(JsonFormatter())
    response = failing.get(f"{family}/{number}", headers={"x-request-id": "id-1"})
    assert response.status_code == 500
    assert SECRET not in response.text
    assert "the server failed on this request; its log has the cause under this request id" in response.text
    assert response.headers["x-request-id"] == "id-1"
    (line,) = (json.loads(line) for line in caplog.text.splitlines() if '"request failed"' in line)
    assert line["level"] == "error"
    assert line["request_id"] == "id-1"
    assert SECRET in line["exception"]
    assert line["path"] == f"{family}/{number}"


def test_a_model_that_fails_tells_the_log_why(
    client: TestClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def postprocess(*args: object) -> None:
        raise ZeroDivisionError(SECRET)

    monkeypatch.setattr(ImageClassificationPredictor, "postprocess", postprocess)
    with caplog.at_level(logging.ERROR):
        response = client.post("/v1/classify", json=pixels(1))
    assert response.status_code == 500
    assert SECRET not in response.text
    assert SECRET in caplog.text
    monkeypatch.undo()
    assert client.post("/v1/classify", json=pixels(1)).status_code == 200


@pytest.mark.parametrize(
    ("path", "family"),
    [
        ("/", "problem"),
        ("/v1/nothing", "problem"),
        ("/v1/classify/more", "problem"),
        ("/v1", "problem"),
        ("/v2/nothing", "v2"),
        ("/v2x", "problem"),
        ("/v1/models/digits/more", "openai"),
        ("/v1/modelsx", "problem"),
        ("/translate/more", "problem"),
    ],
)
def test_unknown_paths_answer_in_the_shape_of_their_family(client: TestClient, path: str, family: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    _check_family(response.json(), response.headers["content-type"], family, f"no route {path}")


@pytest.mark.parametrize(
    ("method", "path", "family", "allowed"),
    [
        ("GET", "/v1/classify", "problem", "POST"),
        ("DELETE", "/livez", "problem", "GET"),
        ("POST", "/v2/health/live", "v2", "GET"),
        ("POST", "/v1/models", "openai", "GET"),
        ("GET", "/translate", "v2", "POST"),
    ],
)
def test_wrong_methods_answer_405_in_the_shape_of_their_family(
    client: TestClient, method: str, path: str, family: str, allowed: str
) -> None:
    response = client.request(method, path)
    assert response.status_code == 405
    assert allowed in response.headers["allow"]
    _check_family(response.json(), response.headers["content-type"], family, f"{method} is not allowed on {path}")


def _check_family(body: dict[str, object], media: str, family: str, text: str) -> None:
    if family == "problem":
        assert media == "application/problem+json"
        assert body.keys() == {"type", "title", "status", "detail", "instance", "request_id"}
        assert text in str(body["detail"])
    else:
        assert media == "application/json"
        assert body.keys() == {"error"}
        assert text in str(body["error"])
        assert isinstance(body["error"], dict) is (family == "openai")
