"""Carry out a Dockerfile's steps without a container engine: a chroot over this machine's system folders.

This machine's own Python and system libraries replace the base image, mounted read-only; everything else
(paths, environment, user, working directory, what is copied and run) is as the Dockerfile says. Linux and root only.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.deploy.dockerfile import Instruction, Stage, lineage

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/dev", "/proc")
_PYTHON = "/base-python"
"""Path inside the image of the virtual environment that replaces the base image's `python` and `pip`."""


@dataclass
class Image:
    """A built target of a Dockerfile: a folder used as the root, and how to run commands in it."""

    root: Path
    env: dict[str, str] = field(default_factory=lambda: {"PATH": f"{_PYTHON}/bin:/usr/local/bin:/usr/bin:/bin"})
    workdir: str = "/"
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    volumes: dict[str, Path] = field(default_factory=dict)
    """Folders of this machine by where they are mounted, read-only."""

    def start(self, *command: str, writable: bool, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start `command` as the image's user; unless `writable`, only /tmp, empty at first, can be written to."""
        uid, gid = self.user.split(":")
        drop = [] if uid == "0" else ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        inner = ["env", "-i", *(f"{name}={value}" for name, value in (self.env | (env or {})).items()), *command]
        step = shlex.join(
            ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", *drop, "sh", "-c", 'cd "$0" && exec "$@"']
        )
        script = [*self._mounts(writable), f"exec chroot {self.root} {step} {self.workdir} {shlex.join(inner)}"]
        return subprocess.Popen(
            ["unshare", "--mount", "sh", "-ec", "\n".join(script)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str, writable: bool = False, env: dict[str, str] | None = None) -> tuple[int, str]:
        """Run `command` to its end; returns its exit code and what it printed."""
        process = self.start(*command, writable=writable, env=env)
        output, _ = process.communicate()
        return process.returncode, output

    def path(self, inside: str) -> Path:
        """The file that the image knows as `inside`."""
        return self.root / os.path.join(self.workdir, inside).lstrip("/")

    def _mounts(self, writable: bool) -> list[str]:
        system = [folder for folder in _SYSTEM if Path(folder).exists()]
        if not sys.base_prefix.startswith("/usr"):
            system.append(sys.base_prefix)
        lines = [f"mount --bind {self.root} {self.root}"]
        for folder in system:
            lines += [f"mkdir -p {self.root}{folder}", f"mount --rbind {folder} {self.root}{folder}"]
            if folder not in ("/dev", "/proc"):
                lines.append(f"mount -o remount,bind,ro {self.root}{folder}")
        for inside, folder in self.volumes.items():
            lines += [f"mount --bind {folder} {self.root}{inside}", f"mount -o remount,bind,ro {self.root}{inside}"]
        lines += [f"mkdir -p {self.root}/tmp", f"mount -t tmpfs -o mode=1777 tmpfs {self.root}/tmp"]
        return lines if writable else [*lines, f"mount -o remount,bind,ro {self.root}"]


def missing_rights() -> str | None:
    """Why no image can be made here, or None where it can."""
    tools = [tool for tool in ("unshare", "setpriv", "chroot", "mount") if shutil.which(tool) is None]
    if sys.platform != "linux" or tools:
        return f"needs Linux with util-linux ({', '.join(tools)})"
    if os.geteuid() != 0:
        return "needs root, to mount and to change user"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        return "needs the right to make mount namespaces"
    return None


def build(stages: dict[str, Stage], target: str, context: Path, folder: Path) -> Image:
    """Carry out the steps of `target`, and of the stages it copies from, below `folder`."""
    image = Image(folder / target)
    image.root.mkdir(parents=True)
    others: dict[str, Image] = {}
    for step in lineage(stages, target):
        if step.name == "COPY" and step.arguments.startswith("--from="):
            name = step.arguments.split()[0].removeprefix("--from=")
            others[name] = others.get(name) or build(stages, name, context, folder)
            _copy(step, image, others[name].root)
        elif step.name == "COPY":
            _copy(step, image, context)
        else:
            _apply(step, image)
    return image


def _copy(step: Instruction, image: Image, source: Path) -> None:
    *names, to = [word for word in step.words(image.env) if not word.startswith("--from=")]
    for name in names:
        origin, target = source / name.lstrip("/"), image.path(to)
        if to.endswith("/") or (len(names) > 1):
            target = target / origin.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if origin.is_dir():
            shutil.copytree(origin, target, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy2(origin, target)


def _apply(step: Instruction, image: Image) -> None:
    if step.name == "ENV":
        image.env |= dict(word.split("=", 1) for word in step.words(image.env))
    elif step.name == "WORKDIR":
        image.workdir = step.arguments
        image.path(".").mkdir(parents=True, exist_ok=True)
    elif step.name == "USER":
        image.user = step.arguments
    elif step.name == "ENTRYPOINT":
        image.entrypoint = json.loads(step.arguments)
    elif step.name == "CMD":
        image.command = json.loads(step.arguments)
    elif step.name == "HEALTHCHECK":
        image.health = json.loads(step.arguments.partition(" CMD ")[2])
    elif step.name == "RUN":
        _run(step.arguments, image)
    else:
        assert step.name in ("ARG", "LABEL", "EXPOSE", "STOPSIGNAL"), step.name


def _run(command: str, image: Image) -> None:
    if not image.path(_PYTHON).exists():
        code, output = image.run(_base_python(), "-m", "venv", _PYTHON, writable=True)
        assert code == 0, output
    # This machine's way to the package index, as a builder's proxy or mirror would be.
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    code, output = image.run("sh", "-c", command, writable=True, env=pip | image.env)
    assert code == 0, f"{command}\n{output}"


def _base_python() -> str:
    return str(Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}"))
