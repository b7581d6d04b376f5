"""The process that prepares models imports the service and nothing of the folder that the server is started in."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from service.serving.helper_process import HelperProcess
from tests.support.classifier_bundles import write_classifier
from tests.support.local_models import local_models


def test_the_helper_process_imports_nothing_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_classifier(tmp_path / "models")
    for name in ("orjson", "numpy", "ctypes", "resource", "multiprocessing"):
        (tmp_path / f"{name}.py").write_text("open('imported', 'w').close(); raise SystemExit")
    monkeypatch.chdir(tmp_path)
    registry = local_models(tmp_path / "models")
    registry.repository.preparer.helper = HelperProcess()
    registry.load_all()
    asyncio.run(registry.close())
    registry.repository.preparer.helper.close()
    assert not (tmp_path / "imported").exists()
