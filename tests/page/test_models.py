"""The panel Models: a person's path through it, what the server measures, and how a graph is laid out."""

from __future__ import annotations

import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.page.browser import PATIENCE_MS, violations, window
from tests.support.processes import ROOT, server

expect.set_options(timeout=PATIENCE_MS)

BUCKETS = {"0.001": (10, 10), "0.01": (10, 60), "0.1": (10, 110), "+Inf": (10, 110)}
"""Requests that took at most so many seconds, in two readings: 50 from 1 to 10 ms, 50 from 10 to 100 ms."""


def module(page: Page, name: str, call: str) -> Any:
    """What a call of a function in a module of the panel returns; `m` is the module."""
    return page.evaluate(f"async () => {{ const m = await import('/page/panels/models/{name}.js'); return {call}; }}")


def reading(second: int, requests: int) -> str:
    """Metrics of a model with two versions, with a name that must be quoted."""
    lines = [f'lectern_stage_seconds_bucket{{le="{le}",model="a",stage="total",version="1"}} {counts[second]}.0'
             for le, counts in BUCKETS.items()]  # fmt: skip
    lines += ['lectern_stage_seconds_bucket{le="0.001",model="a",stage="queue",version="1"} 9999.0']
    lines += [f'lectern_requests_total{{model="a",outcome="success",version="{each}"}} {requests}.0' for each in (1, 2)]
    lines += [f'lectern_inferences_total{{model="b\\"}}",version="1"}} {requests}.0']
    lines += [f'lectern_executions_total{{model="b\\"}}",version="1"}} {requests // 4}.0', "# EOF"]
    return "\n".join(lines)


def test_a_model_is_chosen_and_the_back_button_returns(page: Page) -> None:
    page.goto("/#/models")
    expect(page.locator(".choices li")).to_have_count(7)
    expect(page.locator(".model-card .name")).to_have_text("digits")
    expect(page.locator(".model-card")).to_contain_text("a temperature of 0.642")
    page.locator(".choices").get_by_role("button", name="ner-en").click()
    card = page.get_by_role("region", name="Model ner-en")
    expect(card).to_contain_text("UNER English EWT, test, 2,077 sentences, 25,097 words")
    expect(card).to_contain_text("CC-BY-SA-4.0")
    expect(card).to_contain_text("up to 64 inputs in one run")
    expect(card.get_by_role("row", name="model CPU")).to_contain_text(re.compile(r"CPU \(\d+ nodes\)"))
    expect(page).to_have_url(re.compile("model=ner-en"))
    page.go_back()
    expect(page.locator(".model-card .name")).to_have_text("digits")


def test_the_results_of_a_model_are_in_words(page: Page) -> None:
    page.goto("/#/models?model=digits")
    expect(page.locator(".choices").get_by_role("button", name="digits")).to_contain_text("accuracy 99.6 % (test)")
    card = page.get_by_role("region", name="Model digits")
    expect(card).to_contain_text("recognized as one of its labels 98.4 %")
    card.get_by_text("Results on one more data set").click()
    expect(card).to_contain_text("noticed as none of its labels 96.9 %")
    card.get_by_text("What these numbers mean").click()
    terms = card.locator(".terms li")
    expect(terms).to_have_count(5)
    expect(terms.filter(has_text="expected calibration error")).to_contain_text("as often right as they say")
    for model in page.request.get("/v1/models").json()["data"]:
        unknown = page.evaluate(
            """async (names) => {
              const { meaningOf } = await import('/page/panels/models/metric_terms.js');
              return names.filter((name) => !meaningOf(name));
            }""",
            [metric["name"] for metric in model["metrics"]],
        )
        assert not unknown, (model["id"], unknown)


def test_the_figure_of_a_list_is_of_a_test_set_where_there_is_one_and_names_its_split(page: Page) -> None:
    listing = page.request.get("/v1/models").json()
    model = next(each for each in listing["data"] if each["id"] == "translate-de-en")
    figures = {
        metric["data"].split(", ")[1]: metric["value"]
        for metric in reversed(model["metrics"])
        if metric["name"] == "BLEU"
    }
    page.goto("/#/models?model=translate-de-en")
    entry = page.locator(".choices").get_by_role("button", name="translate-de-en")
    expect(entry).to_contain_text(f"BLEU {figures['test']:.1f} % (test)")
    expect(page.locator(".model-card .figures dt").first).to_contain_text("test, 2,000 sentences")
    model["metrics"] = [metric for metric in model["metrics"] if ", test" not in metric["data"]]
    page.route("**/v1/models", lambda route: route.fulfill(json=listing))
    page.reload()
    expect(entry).to_contain_text(f"BLEU {figures['dev']:.1f} % (dev)")


def test_of_a_model_without_a_panel_it_says_where_it_can_be_tried(page: Page) -> None:
    listing = page.request.get("/v1/models").json()
    listing["data"][0]["task"] = "speech-recognition"
    page.route("**/v1/models", lambda route: route.fulfill(json=listing))
    page.goto("/#/models")
    card = page.locator(".model-card")
    expect(card).to_contain_text("This page has no panel for speech-recognition: docs has the operations")
    expect(card.get_by_role("link", name="docs")).to_have_attribute("href", "docs")
    page.get_by_role("region", name="Models", exact=True).get_by_role("button", name="ner-en").click()
    expect(card).not_to_contain_text("no panel")


def test_what_auto_measured_is_shown(page: Page) -> None:
    listing = page.request.get("/v1/models").json()
    listing["data"][0]["provider_choice"] = {
        "provider": "OpenVINOExecutionProvider",
        "chosen_by": "latency",
        "figures": {"OpenVINOExecutionProvider": {"one_row_seconds": 0.0015, "rows": 64, "rows_seconds": 0.02}},
        "unusable": {"CUDAExecutionProvider": "no device"},
    }
    page.route("**/v1/models", lambda route: route.fulfill(json=listing))
    page.goto("/#/models")
    expect(page.locator(".model-card")).to_contain_text(
        "auto took OpenVINO for its latency: OpenVINO took 1.50 ms for one input, 20.0 ms for 64; "
        "CUDA cannot be used: no device"
    )


def test_the_graph_is_drawn_and_is_a_table(page: Page) -> None:
    page.goto("/#/models?model=digits")
    for name, nodes in (("model", 23), ("explain", 14)):
        page.get_by_role("group", name="Graph").get_by_role("button", name=name).click()
        region = page.get_by_role("region", name=f"Graph {name} of digits")
        expect(region.locator("g.box.node")).to_have_count(nodes)
        expect(region.locator("g.box.input")).to_contain_text("imageinputN\u00d71\u00d728\u00d728 FP32")
        expect(region.locator("g").nth(1)).to_contain_text("Conv6\u00d71\u00d75\u00d75\u2192 N\u00d76\u00d728\u00d728")
    page.get_by_text("The graph as a table").click()
    expect(page.get_by_role("region", name="Nodes of the graph explain").locator("tbody tr")).to_have_count(14)


def test_what_was_taken_for_what(page: Page) -> None:
    page.goto("/#/models?model=digits")
    section = page.get_by_role("region", name="Confusion matrix", exact=True)
    expect(section).to_contain_text("MNIST, 10,000 test images: 9,960 of 10,000 right.")
    expect(section).to_contain_text("5 taken for 3 (5\u00d7)")
    cells = section.locator("tbody td")
    expect(cells).to_have_count(100)
    expect(cells.first).to_have_text("right answers, not drawn")
    section.get_by_role("button", name="Show right answers too").click()
    expect(cells.first).to_have_text("980")


def test_a_learning_curve_is_drawn_where_the_bundle_has_one(page: Page) -> None:
    curve = {"x_label": "epoch", "series": [{"name": "held-out error rate", "x": [1, 2, 3], "y": [0.05, 0.02, 0.0125]}]}
    page.route(
        "**/evaluation?*",
        lambda route: route.fulfill(json={"model": "digits", "version": "3", "confusion": [], "learning_curve": curve}),
    )
    page.goto("/#/models?model=digits")
    expect(page.get_by_role("img", name="Over epoch: held-out error rate, last 0.013")).to_be_visible()
    page.get_by_text("The curve as a table").click()
    expect(page.get_by_role("row", name="2 0.02000")).to_be_visible()
    page.locator(".choices").get_by_role("button", name="ner-en").click()
    expect(page.locator("main")).not_to_contain_text("held-out error rate")


def test_requests_show_in_the_plots(page: Page) -> None:
    page.goto("/#/models?model=pos-en")
    expect(page.get_by_role("img", name="Requests each second: now, last 0")).to_be_visible()
    expect(page.get_by_role("region", name="Model pos-en")).to_contain_text("no requests in the last minutes")
    page.request.post("/v1/tag", data={"model": "pos-en", "texts": ["Time flies."] * 4})
    expect(page.get_by_role("region", name="Model pos-en")).to_contain_text(
        re.compile(r"half of them within [\d.]+ ms and 99 of 100 within [\d.]+ ms; 4\.00 inputs in one run")
    )
    expect(page.get_by_role("img", name=re.compile(r"Time of a request: median, last [\d.]+ ms"))).to_be_visible()
    page.get_by_role("group", name="Requests of which models").get_by_role("button", name="pos-en").click()
    expect(page.get_by_role("img", name="Inputs in one run: mean, last 4.00")).to_be_visible()


def test_who_may_not_read_the_metrics_is_told_why(browser: Browser, keyed: tuple[str, str]) -> None:
    address, key = keyed
    with window(browser, address, expected="40[13]") as page:
        page.add_init_script(f"sessionStorage.setItem('lectern-key', {key!r})")
        page.goto("/#/models")
        expect(page.locator("main")).to_contain_text("This API key may not read the metrics of the server")
        expect(page.locator(".graph svg")).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize(
    ("path", "words"),
    [("metrics", "its operator has put them on another."),
     ("graph?*", "does not say what its models are made of"),
     ("evaluation?*", "does not say more than the figures above")],
)  # fmt: skip
def test_what_the_server_does_not_have_is_said(browser: Browser, url: str, path: str, words: str) -> None:
    with window(browser, url, expected="404") as page:
        page.route(f"**/{path}", lambda route: route.fulfill(status=404, json={"detail": "no route"}))
        page.goto("/#/models")
        expect(page.locator("main")).to_contain_text(words)


def test_a_model_is_unloaded_after_a_question_and_loaded_again(browser: Browser, program: Path, tmp_path: Path) -> None:
    (bundle,) = (ROOT / "models/digits").iterdir()
    serves = f"Version {bundle.name} serves"
    shutil.copytree(bundle, tmp_path / "digits" / bundle.name)
    python, command = str(program.parent / "python"), (str(program), "serve")
    with (
        server(tmp_path, python=python, program=command) as process,
        window(browser, process.wait_for("serving")["address"]) as page,
    ):
        page.goto("/#/models")
        versions = page.get_by_role("region", name="Versions of digits")
        expect(versions).to_contain_text(serves)
        versions.get_by_role("button", name="Unload").click()
        question = page.get_by_role("dialog", name="Unload digits?")
        expect(question.get_by_role("button", name="Cancel")).to_be_focused()
        assert violations(page) == []
        question.get_by_role("button", name="Cancel").click()
        expect(question).to_have_count(0)
        versions.get_by_role("button", name="Unload").click()
        question.get_by_role("button", name="Unload").click()
        others = page.get_by_role("region", name="Models that do not serve")
        expect(others).to_contain_text(f"Version {bundle.name} does not serve: unloaded")
        expect(others.get_by_role("status")).to_have_text("digits is unloaded.")
        expect(page.locator("main")).to_contain_text("This server has no models")
        assert violations(page) == []
        others.get_by_role("button", name="Load digits").click()
        expect(versions).to_contain_text(serves)
        expect(page.locator(".model-card .name")).to_have_text("digits")
        versions.get_by_role("button", name="Load again").click()
        expect(versions.get_by_role("status")).to_have_text("digits is loaded.")


def test_a_version_alone_is_loaded_and_a_refusal_is_in_the_server_s_words(browser: Browser, url: str) -> None:
    states = [("3", "READY", ""), ("2", "UNAVAILABLE", "superseded")]
    index = [{"name": "digits", "version": each, "state": state, "reason": why} for each, state, why in states]
    index.append({"name": "letters", "version": "1", "state": "UNAVAILABLE", "reason": "model.onnx: is missing"})
    sent = []

    def refuse(route: Route) -> None:
        sent.append(route.request.post_data_json)
        route.fulfill(status=503, json={"error": "version 2 of 'digits' is bad: its sample 1 differs"})

    with window(browser, url, expected="503") as page:
        page.route("**/v2/repository/index", lambda route: route.fulfill(json=index))
        page.route("**/v2/repository/models/digits/load", refuse)
        page.goto("/#/models?model=digits")
        versions = page.get_by_role("region", name="Versions of digits")
        versions.get_by_role("button", name="Load version 2 alone").click()
        expect(versions.get_by_role("alert")).to_have_text("Version 2 of 'digits' is bad: its sample 1 differs.")
        assert sent == [{"parameters": {"version": "2"}}]
        others = page.get_by_role("region", name="Models that do not serve")
        expect(others).to_contain_text("Version 1 does not serve: model.onnx: is missing")
        expect(others.get_by_role("button", name="Load letters")).to_be_enabled()


def test_who_may_not_load_models_has_no_button_for_it(browser: Browser, keyed: tuple[str, str], url: str) -> None:
    address, key = keyed
    with window(browser, address, expected="403") as page:
        page.add_init_script(f"sessionStorage.setItem('lectern-key', {key!r})")
        page.goto("/#/models")
        expect(page.locator("main")).to_contain_text("This API key may not load or unload models")
        expect(page.get_by_role("button", name="Unload")).to_have_count(0)
    with window(browser, url) as page:
        listing = page.request.get("/v1/models").json()
        assert listing["lectern"] == {"model_control": True, "not_serving": []}
        listing["lectern"]["model_control"] = False
        page.route("**/v1/models", lambda route: route.fulfill(json=listing))
        page.goto("/#/models")
        expect(page.locator("main")).to_contain_text("This server has loading and unloading turned off.")
        expect(page.get_by_role("button", name="Unload")).to_have_count(0)


def test_two_readings_say_what_was_between_them(page: Page) -> None:
    page.goto("/")
    first, second = f"m.parseMetrics({reading(0, 100)!r}, 0)", f"m.parseMetrics({reading(1, 140)!r}, 4000)"
    rates = module(page, "metrics", f"m.between({first}, {second}, 'a')")
    assert rates["requests"] == 20, "both versions"
    assert rates["p50"] == pytest.approx(0.01)
    assert rates["p99"] == pytest.approx(0.0982)
    assert module(page, "metrics", f"m.between({first}, {second}, 'b\\\\\"}}').batch") == 4
    assert module(page, "metrics", f"m.between({first}, {second}).requests") == 20
    restarted = module(page, "metrics", f"m.between({second}, {first})")
    assert all(value != value for value in restarted.values()), "counters that began anew say nothing"


def test_a_graph_is_laid_out_without_overlaps(page: Page) -> None:
    page.goto("/")
    for model in ("digits", "ner-en", "words-en", "translate-en-de"):
        graphs = page.request.get(f"/v1/models/{model}/graph").json()["graphs"]
        for graph in graphs:
            # Boxes refer to each other, which no JSON does.
            boxes = page.evaluate(
                """async (graph) => {
                    const { layOut, WIDTH } = await import('/page/panels/models/layout.js');
                    return layOut(graph).rows.map((row) => row.map((box) => ({
                        kind: box.kind, x: box.x, width: box.kind === 'dummy' ? 0 : WIDTH,
                        below: box.below.map(({ row }) => row - box.row),
                    })));
                }""",
                graph,
            )
            drawn = [box for row in boxes for box in row if box["kind"] != "dummy"]
            assert len(drawn) == len(graph["nodes"]) + len(graph["inputs"]) + len(graph["outputs"])
            assert all(step == 1 for row in boxes for box in row for step in box["below"])
            for row in boxes:
                for left, right in pairwise(row):
                    assert left["x"] + left["width"] / 2 < right["x"] - right["width"] / 2
