"""The command line `lectern`: serve, health, models, keys, openapi and completion."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service import __version__
from service.access.commands import add_key_commands
from service.bundle.files import Bundle, BundleError, read_bundle, versions
from service.command_line import CommandParser
from service.completion import add_completion_command
from service.errors import ConfigurationError, LecternError
from service.limits import PREFIX, Limits
from service.model_table import table
from service.output import discard_output, log_as_text, open_standard_streams, printable, write
from service.server.process_signals import exit_on_signals
from service.serving.helper_process import shared_helper
from service.serving.preparation_answer import PreparationFailure
from service.settings import Settings, describe_settings, load_settings

if TYPE_CHECKING:
    from service.tasks import Predictor


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit code: 0 for success, 1 if a check failed, 2 if the command could not start.
    """
    open_standard_streams()
    log_as_text()
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except (ConfigurationError, BundleError) as error:
        print(f"lectern: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # The reader of the output, such as `head`, has exited.
        discard_output()
        return 0
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(prog="lectern", description="Serve models trained with lectern-train.")
    parser.add_argument("--version", action="version", version=f"lectern {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="serve the models over HTTP",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Serve the models over HTTP until a signal comes. Settings are environment variables.",
        epilog=_settings_table(),
    )
    serve.add_argument("--host", help=f"the same as {PREFIX}HOST")
    serve.add_argument("--port", help=f"the same as {PREFIX}PORT")
    serve.add_argument("--models", metavar="DIR", help=f"the same as {PREFIX}MODELS")
    serve.set_defaults(run=_serve)
    health = commands.add_parser("health", help="ask a running server whether it is ready")
    health.add_argument("--url", help=f"base URL of the server (default: from {PREFIX}HOST and {PREFIX}PORT)")
    health.set_defaults(run=_health)
    openapi = commands.add_parser("openapi", help="print the OpenAPI document")
    openapi.set_defaults(run=_openapi)
    models = commands.add_parser("models", help="list or verify the models of a repository").add_subparsers(
        required=True, metavar="COMMAND"
    )
    listing = models.add_parser("list", help="list the bundles of the model repository")
    listing.set_defaults(run=_list)
    verify = models.add_parser("verify", help="check every file, and compare the model's answers to the stored samples")
    verify.add_argument("names", nargs="*", metavar="NAME", help="models to check; all by default")
    verify.add_argument(
        "--everyday",
        action="store_true",
        help="also let translators of English and German translate everyday sentences, and count by kind those "
        "that pass the checks: names, numbers, dates, negations and questions kept, nothing invented",
    )
    verify.set_defaults(run=_verify)
    providers = models.add_parser(
        "providers", help="measure which execution provider LECTERN_PROVIDERS=auto takes for each model, or show it"
    )
    providers.add_argument("names", nargs="*", metavar="NAME", help="models to show; all by default")
    providers.set_defaults(run=_providers)
    add_key_commands(commands)
    add_completion_command(commands, "lectern", _parser)
    for command in (listing, verify, providers):
        command.add_argument("--models", metavar="DIR", help=f"the same as {PREFIX}MODELS")
    return parser


def _settings_table() -> str:
    rows = list(describe_settings())
    width = max(len(name) for name, _, _ in rows)
    lines = ["settings (environment variable, default, meaning):"]
    for name, default, meaning in rows:
        text = textwrap.wrap(meaning, 100 - width, break_on_hyphens=False)
        lines.append(f"  {name:{width}}  {default:10}  {text[0]}")
        lines += [f"  {'':{width}}  {'':10}  {line}" for line in text[1:]]
    return "\n".join(lines)


def _serve(arguments: argparse.Namespace) -> int:
    # Options become environment variables, so that worker processes see them too.
    for name in ("host", "port", "models"):
        if (value := getattr(arguments, name)) is not None:
            os.environ[PREFIX + name.upper()] = value
    settings = load_settings()
    try:
        with exit_on_signals():
            if settings.workers > 1:
                # It imports what preparing models needs while other processes import what serving needs.
                shared_helper().start()
                from service.server.supervisor import serve_with_workers

                return serve_with_workers(settings)
            gc.disable()  # Importing makes no garbage worth looking for; `settle` enables it again.
            from service.server.process import serve

            return serve(settings)
    finally:
        shared_helper().close()


def _health(arguments: argparse.Namespace) -> int:
    import httpx

    settings = load_settings()
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    scheme = "https" if settings.tls_cert else "http"
    url = arguments.url or f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}"
    try:
        # The certificate names the address that clients use, not the one asked here.
        answer = httpx.get(f"{url.rstrip('/')}/readyz", timeout=5, trust_env=False, verify=bool(arguments.url))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        print(f"lectern: no answer from {url}: {error}", file=sys.stderr)
        return 1
    write("ready" if answer.status_code == 200 else printable(answer.text))
    return 0 if answer.status_code == 200 else 1


def _openapi(arguments: argparse.Namespace) -> int:
    import orjson

    from service.app import create_app

    document = create_app(Settings.model_construct()).openapi()
    write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    return 0


def _version_folders(arguments: argparse.Namespace) -> tuple[list[Path], dict[str, str]]:
    """The folders of all versions, sorted by name and number, and why the versions of a model cannot be listed.

    Raises:
        ConfigurationError: the model repository cannot be read, or holds no bundle.
    """
    root = Path(arguments.models) if arguments.models else load_settings().models
    try:
        folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise ConfigurationError(
            f"model repository {root} cannot be read ({error.strerror}); set LECTERN_MODELS"
        ) from error
    paths: list[Path] = []
    unreadable: dict[str, str] = {}
    for folder in folders:
        try:
            paths += [folder / str(version) for version in versions(folder)]
        except OSError as error:
            unreadable[folder.name] = f"{folder} cannot be read ({error.strerror})"
    if not (paths or unreadable):
        raise ConfigurationError(f"model repository {root} holds no bundle; train one with `lectern-train`")
    return paths, unreadable


def _list(arguments: argparse.Namespace) -> int:
    paths, unreadable = _version_folders(arguments)
    bundles: list[Bundle] = []
    bad = list(unreadable.items())
    for path in paths:
        try:
            bundles.append(read_bundle(path))
        except BundleError as error:
            bad.append((f"{path.parent.name}/{path.name}", str(error)))
    for line in table(bundles):
        write(printable(line))
    for name, reason in bad:
        write(printable(f"{name:24} BAD  {reason}"))
    return 1 if bad else 0


def _named_versions(arguments: argparse.Namespace) -> tuple[list[Path], dict[str, str]]:
    """`_version_folders` of the models that the command names; of all where it names none."""
    paths, unreadable = _version_folders(arguments)
    if arguments.names:
        paths = [path for path in paths if path.parent.name in arguments.names]
        unreadable = {name: reason for name, reason in unreadable.items() if name in arguments.names}
    if unknown := set(arguments.names) - {path.parent.name for path in paths} - unreadable.keys():
        raise ConfigurationError(f"no model {sorted(unknown)[0]!r}; `lectern models list` shows them")
    return paths, unreadable


def _providers(arguments: argparse.Namespace) -> int:
    from service.runtime.providers import check_installation
    from service.serving.first_start import check_provider_settings
    from service.serving.provider_table import provider_lines

    settings = load_settings()
    check_installation()
    check_provider_settings(settings)
    paths, unreadable = _named_versions(arguments)
    for name, reason in unreadable.items():
        write(printable(f"{name}: {reason}"))
    exit_code = 1 if unreadable else 0
    try:
        for line, good in provider_lines(settings, paths):
            write(printable(line))
            exit_code = exit_code if good else 1
    finally:
        shared_helper().close()
    return exit_code


def _verify(arguments: argparse.Namespace) -> int:
    from service.runtime.providers import check_installation
    from service.serving.first_start import check_provider_settings

    check_installation()
    settings = load_settings()
    check_provider_settings(settings)
    paths, unreadable = _named_versions(arguments)
    exit_code = 1 if unreadable else 0
    for name, reason in unreadable.items():
        write(printable(f"{name}: {reason}"))
    try:
        for path in paths:
            if not _verify_version(settings, path):
                exit_code = 1
            elif arguments.everyday:
                _print_everyday(_open_predictor(settings, path))
    finally:
        shared_helper().close()
    return exit_code


def _verify_version(settings: Settings, path: Path) -> bool:
    """Print what is wrong with a version, and return whether nothing is; a bundle may hang or take all memory."""
    from service.serving.preparer import job_of

    job = job_of(settings, path, cache=None)
    work = shared_helper().verify(job, seconds=settings.load_seconds, memory_bytes=settings.load_memory_bytes)
    try:
        verified = asyncio.run(work)
        problems = verified.problems
        text = "; ".join(problems) or f"ok, {verified.samples} samples match the stored answers"
        text += f" ({_placement(verified.placement)})"
    except (BundleError, LecternError, PreparationFailure) as error:
        problems, text = (str(error),), str(error)
    write(printable(f"{path.parent.name}/{path.name}: {text}"))
    return not problems


def _placement(placement: Mapping[str, str]) -> str:
    """What the graphs of a model run on; by graph where it has several."""
    if len(placement) == 1:
        return next(iter(placement.values()))
    return "; ".join(f"{graph}: {text}" for graph, text in placement.items())


def _open_predictor(settings: Settings, path: Path) -> Predictor[Any]:
    """Open a version, which was verified, in this process."""
    from service.runtime.cpus import available_cpus
    from service.runtime.provider_options import parse_options
    from service.runtime.session import session_opener
    from service.tasks import load_predictor

    own = settings.for_model(path.parent.name)
    assert own.providers is not None
    assert own.provider_options is not None
    options = parse_options(own.provider_options)
    opener = session_opener(own.providers, settings.threads or available_cpus(), settings.strict, options=options)
    return load_predictor(read_bundle(path), opener, Limits())


def _print_everyday(predictor: Predictor[Any]) -> None:
    """Print the everyday test of a translator by kind of sentence; for other models, that there is none."""
    from service.tasks.translation.everyday import run_predictor

    report = run_predictor(predictor)
    if report is None:
        print("  no everyday sentences: they are English and German, for translators; see the model card for figures")
    else:
        print(f"  everyday sentences that pass the checks, by kind:\n{report.table()}")


if __name__ == "__main__":
    sys.exit(main())
