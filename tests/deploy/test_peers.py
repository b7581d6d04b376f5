"""What `make bench-peers` compares, and the arithmetic of its tables; no server is started."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import orjson
import pytest

from tests.benchmarks import peers
from tests.benchmarks.http_load import Body, Measurement, load, newest_bundle, sample_pixels, summary
from tests.benchmarks.http_servers import FLOOR, Memory
from tests.benchmarks.peers import Processes, Visit, load_rows, process_rows
from tests.benchmarks.vectors_requests import OPERATIONS, requests

ROOT = Path(__file__).parents[2]
FLOOR_ROW = FLOOR.routes[0].name


def test_every_peer_has_a_script_pins_and_a_set_up() -> None:
    found = re.search(r"^PEERS +\?= (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found is not None
    assert sorted(found[1].split()) == sorted(peers.PEERS)
    assert {path.name.removesuffix("_server.py") for path in peers.SCRIPTS.glob("*_server.py")} == set(peers.PEERS)
    for name, (package, _) in peers.PEERS.items():
        pins = (peers.SCRIPTS / f"requirements/{name}.txt").read_text().splitlines()
        assert any(line.startswith(f"{package}==") for line in pins)
        assert all("==" in line for line in pins)


def test_all_peers_run_the_model_with_one_onnxruntime() -> None:
    pin = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("onnxruntime=="))
    for name in peers.PEERS:
        pins = (peers.SCRIPTS / f"requirements/{name}.txt").read_text().splitlines()
        assert [line for line in pins if line.startswith("onnxruntime==")] == [pin]


def test_servers_and_rows_have_names_of_their_own(tmp_path: Path) -> None:
    servers = peers.contenders(tmp_path / "models", tmp_path / "venvs")
    assert tuple(server.name for server in servers) == peers.NAMES
    rows = [route.name for server in [FLOOR, *servers] for route in server.routes]
    assert len(set(rows)) == len(rows) == 17
    for server in servers[2:]:
        assert server.command[0] == tmp_path / "venvs" / server.name / "bin/python"


def test_every_body_holds_the_same_image_and_asks_for_probabilities_only() -> None:
    pixels = sample_pixels(newest_bundle(ROOT / "models", "digits"))
    plain, tensor, binary = (load("", "", kind, pixels) for kind in (Body.PIXELS, Body.TENSOR, Body.BINARY))
    assert orjson.loads(plain.body)["pixels"] == [pixels.tolist()]
    document = orjson.loads(tensor.body)
    assert document["inputs"][0]["data"] == pixels.ravel().tolist()
    assert document["outputs"] == [{"name": "probabilities"}]
    head = orjson.loads(binary.body[: binary.json_length])
    assert [output["name"] for output in head["outputs"]] == ["probabilities"]
    np.testing.assert_allclose(np.frombuffer(binary.body[binary.json_length :], "<f4"), pixels.ravel(), atol=1e-6)
    assert load("", "", Body.PNG, pixels).headers == {"Content-Type": "image/png"}


def test_a_ratio_is_that_of_one_round() -> None:
    pairs = [
        (Measurement(1000, 1, 2), Measurement(500, 2, 8)),
        (Measurement(4000, 1, 2), Measurement(1000, 4, 6)),
        (Measurement(2000, 1, 2), Measurement(3000, 3, 7)),
    ]
    assert summary(pairs) == ("1,000", "3.00", "7.00", "0.50 (0.25 to 1.50)")


def visit(rate: float, row: str, start: float, memory: Memory | None) -> Visit:
    floor = Measurement(1000, 1, 2)
    pairs = {(FLOOR_ROW, 32): (floor, floor), (row, 32): (floor, Measurement(rate, 1, 2))}
    return Visit(Processes(0.5, Memory(1, 90, 80)), Processes(start, memory), pairs)


def test_a_server_that_failed_is_a_row_that_says_why(tmp_path: Path) -> None:
    servers = [server for server in peers.contenders(tmp_path, tmp_path) if server.name in ("litserve", "ray")]
    visits = {
        "litserve": [visit(250, "LitServe", 2, Memory(3, 300, 200)), visit(750, "LitServe", 4, Memory(5, 500, 300))]
    }
    failures = {"ray": "it ended with exit code 1: no"}
    assert load_rows(servers, visits, failures, 32) == [
        (FLOOR_ROW, "1,000", "1.00", "2.00", "1.00 (1.00 to 1.00)"),
        ("LitServe", "500", "1.00", "2.00", "0.50 (0.25 to 0.75)"),
        ("Ray Serve", "not measured: it ended with exit code 1: no"),
    ]
    assert process_rows(servers, visits, failures, tmp_path) == [
        ("floor", "", "0.50 (0.50 to 0.50)", "90", "80", "1"),
        ("litserve", "litserve", "3.00 (2.00 to 4.00)", "400", "250", "4"),
        ("ray", "ray", "not measured: it ended with exit code 1: no"),
    ]


def test_a_peer_that_pip_could_not_install_is_in_every_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wrk").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "mlserver.log").write_text(
        "Collecting\nERROR: No matching distribution found for mlserver==1.7.1\nhint: see above\n"
    )
    command = ["--only", "mlserver", "triton", "--venvs", str(tmp_path), "--models", str(ROOT / "models")]
    assert peers.main(command) == 0
    printed = capsys.readouterr().out
    reason = "not measured: it is not installed: ERROR: No matching distribution found for mlserver==1.7.1"
    assert printed.count(reason) == 3
    assert printed.count("not measured: it is not installed: run make bench-peers") == 5


def test_an_unknown_peer_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        peers.main(["--only", "tensorflow"])
    assert "triton" in capsys.readouterr().err


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_on_vectors_asks_for_each_word_once(operation: str) -> None:
    words = [f"w{number}" for number in range(64)]
    route, bodies = requests(operation, words)
    (field,) = {field for body in bodies for field in body}
    items = [item for body in bodies for item in body[field]]
    if route == "/v1/neighbors":
        assert items == words
    else:
        assert [first for first, _ in items] == words
        assert [second for _, second in items] == [*words[1:], words[0]]
    assert len(bodies) == 64 // int(operation.split()[1])
