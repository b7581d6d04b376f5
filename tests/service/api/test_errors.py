"""Every error has a status, the shape that its operation declares, and discloses nothing internal."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from service import errors
from service.api.errors import STATUS, ErrorShape, phrase, shape_by_prefix, status_of, write_error
from service.api.operation import Operation
from service.app import OPERATIONS, create_app
from service.observability import JsonFormatter
from service.settings import Settings
from service.tasks.image_classification import ImageClassificationPredictor
from tests.support.classifier_bundles import write_classifier
from tests.support.classify_requests import pixels

SECRET = "/home/alice/.ssh/id_rsa"

ERRORS: list[errors.LecternError] = [
    errors.InvalidRequest("wrong", "texts[3]"),
    errors.MalformedBody("broken"),
    errors.LimitExceeded("large", "texts[3]"),
    errors.NotImplementedHere("shared memory", "texts[3]"),
    errors.UnsupportedDocument("unknown"),
    errors.MalformedDocument("broken"),
    errors.DocumentTooLarge("large"),
    errors.PayloadTooLarge("large"),
    errors.UnsupportedMedia("media"),
    errors.UnsupportedEncoding("encoding"),
    errors.UnknownModel("unknown"),
    errors.UnknownRoute("no route"),
    errors.UnknownFile("no file"),
    errors.NotReady("not yet", 7),
    errors.DeviceLost("the device failed", 7),
    errors.OutOfMemory("not enough memory", 7),
    errors.Saturated("full", 7),
    errors.StorageFull("no room", 7),
    errors.Unauthorized("no key"),
    errors.QuotaExceeded("too many", 7),
    errors.Forbidden("off"),
    errors.DeadlineExceeded("late"),
    errors.ModelFailure(SECRET),
]

INVALID = [number for number, error in enumerate(ERRORS) if STATUS[type(error)] == 422]


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
def test_the_shape_decides_the_status_of_an_invalid_request(error: Exception, ours: int, protocol: int) -> None:
    assert status_of(error, ErrorShape.PROBLEM) == ours
    for shape in (ErrorShape.PLAIN, ErrorShape.OPENAI):
        assert status_of(error, shape) == protocol


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
def test_every_operation_declares_the_shape_of_its_api(operation: Operation) -> None:
    plain = ("/translate", "/detect", "/languages", "/health", "/frontend/settings", "/spec", "/translate_file")
    plain += ("/download_file/{name}", "/suggest")
    if operation.path.startswith("/v2") or operation.path in plain:
        assert operation.errors is ErrorShape.PLAIN
    elif operation.path.startswith(("/v1/models", "/v1/embeddings")):
        assert operation.errors is ErrorShape.OPENAI
    else:
        assert operation.errors is ErrorShape.PROBLEM
    assert shape_by_prefix(operation.path) is operation.errors
    assert 422 not in operation.statuses or operation.errors is ErrorShape.PROBLEM


def test_names_of_statuses_do_not_depend_on_the_python_version() -> None:
    assert phrase(404) == "Not Found"
    assert phrase(413) == "Content Too Large"
    assert phrase(422) == "Unprocessable Content"


FAILING = {
    "/fail/problem": ErrorShape.PROBLEM,
    "/fail/plain": ErrorShape.PLAIN,
    "/fail/openai": ErrorShape.OPENAI,
}


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """An application with operations of every shape that raise the errors above, by number."""
    repository = tmp_path_factory.mktemp("models")
    write_classifier(repository)
    app = create_app(Settings(models=repository))

    async def fail(request: Request) -> Response:
        raise [*ERRORS, KeyError(SECRET), RuntimeError(SECRET)][int(request.path_params["number"])]

    for path, shape in FAILING.items():
        operation = Operation(
            method="GET", path=path + "/{number}", endpoint=fail, errors=shape, tag="tests", summary="Fail"
        )
        app.router.routes.insert(0, Route(operation.path, operation, methods=["GET"]))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_our_routes_answer_problem_json(failing: TestClient, number: int) -> None:
    error = ERRORS[number]
    response = failing.get(f"/fail/problem/{number}", headers={"x-request-id": "id-1"})
    status = STATUS[type(error)]
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    detail = problem.pop("detail")
    field = {"field": error.field} if isinstance(error, errors.InvalidRequest) and error.field else {}
    assert problem == {
        "type": "about:blank",
        "title": phrase(status),
        "status": status,
        "instance": f"/fail/problem/{number}",
        "request_id": "id-1",
        **field,
    }
    if status == 500:
        assert SECRET not in response.text
    else:
        assert detail == str(error)


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_the_protocols_routes_answer_an_error_and_nothing_else(failing: TestClient, number: int) -> None:
    response = failing.get(f"/fail/plain/{number}")
    assert response.headers["content-type"] == "application/json"
    assert response.json().keys() == {"error"}
    assert isinstance(response.json()["error"], str)
    assert SECRET not in response.text
    assert response.status_code == (400 if number in INVALID else STATUS[type(ERRORS[number])])


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_openais_routes_answer_openais_object(failing: TestClient, number: int) -> None:
    response = failing.get(f"/fail/openai/{number}")
    body = response.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"message", "type", "param", "code"}
    kind = {
        401: "authentication_error",
        429: "rate_limit_error",
        403: "permission_error",
        500: "server_error",
        503: "server_error",
        504: "server_error",
    }
    assert body["error"]["type"] == kind.get(response.status_code, "invalid_request_error")
    assert body["error"]["param"] == getattr(ERRORS[number], "field", None)
    assert SECRET not in response.text


@pytest.mark.parametrize("path", FAILING)
@pytest.mark.parametrize(
    "number", [number for number, error in enumerate(ERRORS) if isinstance(error, errors.Unavailable)]
)
def test_unavailable_says_when_to_retry(failing: TestClient, path: str, number: int) -> None:
    response = failing.get(f"{path}/{number}")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "7"


@pytest.mark.parametrize("path", FAILING)
@pytest.mark.parametrize("number", [len(ERRORS), len(ERRORS) + 1])
def test_an_unexpected_error_is_in_the_log_and_not_in_the_answer(
    failing: TestClient, path: str, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(JsonFormatter())
    response = failing.get(f"{path}/{number}", headers={"x-request-id": "id-1"})
    assert response.status_code == 500
    assert SECRET not in response.text
    assert "the server failed on this request; its log has the cause under this request id" in response.text
    assert response.headers["x-request-id"] == "id-1"
    (line,) = (json.loads(line) for line in caplog.text.splitlines() if '"request failed"' in line)
    assert line["level"] == "error"
    assert line["request_id"] == "id-1"
    assert SECRET in line["exception"]
    assert line["path"] == f"{path}/{number}"


def test_an_error_that_is_its_own_cause_is_answered(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*args: object, **options: object) -> None:
        error = errors.InvalidRequest("wrong", "pixels")
        raise error from error

    monkeypatch.setattr("service.api.image_classification.to_request", parse)
    response = client.post("/v1/classify", json=pixels(1) | {"top_k": 1})
    assert (response.status_code, response.json()["detail"]) == (422, "pixels: wrong")


def test_the_failure_of_a_model_is_logged(
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
    ("path", "shape"),
    [
        ("/nothing", "problem"),
        ("/v1/nothing", "problem"),
        ("/v1/classify/more", "problem"),
        ("/v1", "problem"),
        ("/v2/nothing", "plain"),
        ("/v2x", "problem"),
        ("/v1/models/digits/more", "openai"),
        ("/v1/modelsx", "problem"),
        ("/translate/more", "plain"),
        ("/v1/embeddings/more", "openai"),
    ],
)
def test_unknown_paths_answer_in_the_shape_of_their_api(client: TestClient, path: str, shape: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    _check_shape(response.json(), response.headers["content-type"], shape, f"no route {path}")


@pytest.mark.parametrize(
    ("method", "path", "shape", "allowed"),
    [
        ("GET", "/v1/classify", "problem", "POST"),
        ("DELETE", "/livez", "problem", "GET"),
        ("POST", "/v2/health/live", "plain", "GET"),
        ("POST", "/v1/models", "openai", "GET"),
        ("GET", "/translate", "plain", "POST"),
    ],
)
def test_wrong_methods_answer_405_in_the_shape_of_their_api(
    client: TestClient, method: str, path: str, shape: str, allowed: str
) -> None:
    response = client.request(method, path)
    assert response.status_code == 405
    assert allowed in response.headers["allow"]
    _check_shape(response.json(), response.headers["content-type"], shape, f"{method} is not allowed on {path}")


def _check_shape(body: dict[str, object], media: str, shape: str, text: str) -> None:
    if shape == "problem":
        assert media == "application/problem+json"
        assert body.keys() == {"type", "title", "status", "detail", "instance", "request_id"}
        assert text in str(body["detail"])
    else:
        assert media == "application/json"
        assert body.keys() == {"error"}
        assert text in str(body["error"])
        assert isinstance(body["error"], dict) is (shape == "openai")


@pytest.mark.parametrize("shape", ErrorShape)
def test_an_error_is_short_whatever_it_repeats(shape: ErrorShape) -> None:
    response = write_error(422, "x" * 100_000, shape, "/" + "p" * 100_000, field="f" * 100_000)
    assert len(response.body) < 2_500
    assert "…" in response.body.decode()


@pytest.mark.parametrize("shape", ErrorShape)
def test_an_error_may_repeat_any_text(shape: ErrorShape) -> None:
    """Text of a caller may hold what no encoding has."""
    content = write_error(400, "a\ud800b", shape, "/\udfff", field="\ud800").body
    assert b"a?b" in bytes(content)
