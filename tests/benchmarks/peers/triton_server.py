"""Triton's server and Python backend out of the binary in nvidia-pytriton, without PyTriton itself.

python triton_server.py PORT
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import sysconfig
from pathlib import Path


def main(port: str) -> None:
    """Replace this process by Triton."""
    spec = importlib.util.find_spec("pytriton")  # Importing it would load its client.
    assert spec is not None
    assert spec.origin is not None
    packages = Path(spec.origin).parents[1]
    triton = packages / "pytriton/tritonserver"
    # The package has one stub for each version of Python; the backend wants that of this one beside it.
    stub = f"python_backend_stubs/{sys.version_info.major}.{sys.version_info.minor}/triton_python_backend_stub"
    if not (triton / stub).is_file():
        raise SystemExit(f"nvidia-pytriton has no {stub}: Triton's Python backend does not know this Python")
    shutil.copy(triton / stub, triton / "backends/python")
    here = Path(__file__).resolve().parent
    libraries = [str(packages / "nvidia_pytriton.libs"), str(sysconfig.get_config_var("LIBDIR"))]
    environment = os.environ | {
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
        "PYTHONPATH": os.pathsep.join([str(here), str(packages)]),
    }
    server = triton / "bin/tritonserver"
    options = {
        "model-repository": here / "triton_models",
        "backend-directory": triton / "backends",
        "http-address": "127.0.0.1",
        "http-port": port,
        "allow-grpc": "false",
        "allow-metrics": "false",
        "log-info": "false",
    }
    server.chmod(0o755)
    os.execve(server, [str(server), *(f"--{name}={value}" for name, value in options.items())], environment)


if __name__ == "__main__":
    main(sys.argv[1])
