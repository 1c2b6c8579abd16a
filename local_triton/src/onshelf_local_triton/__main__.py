"""Command line of the local Triton: `onshelf-local-triton install | start | stop | restart | status | reload`."""

import argparse
import sys
from pathlib import Path

from onshelf_local_triton import environment
from onshelf_local_triton.console import prepare
from onshelf_local_triton.errors import LocalTritonError
from onshelf_local_triton.server import TRIES, LocalTriton
from onshelf_local_triton.state import TIMEOUT

FIELDS = ("grpc_url", "http_url", "metrics_url")
NOTE = (
    f"release {environment.RELEASE}, on 127.0.0.1 alone: older than NVIDIA's security bulletins ask for, so for this "
    "machine and not for others"
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 well, 1 not running, 2 failed, with the reason on stderr."""
    prepare(arguments)
    args = _parser().parse_args(arguments)
    try:
        return int(args.command(args))
    except LocalTritonError as error:
        print(f"onshelf-local-triton: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="onshelf-local-triton", description="A real Triton on a CPU machine, without a container."
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    def add(name: str, help_text: str, function: object) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_text, description=help_text)
        command.add_argument(
            "--venv", type=Path, default=Path(".venv-triton"), help="its environment (default: %(default)s)"
        )
        command.set_defaults(command=function)
        return command

    install = add("install", "Create its environment, or bring it up to date; at once when it is.", _install)
    install.add_argument("--force", action="store_true", help="build the environment from nothing")
    start = add("start", "Start it in the background and wait until every model is ready.", _start)
    restart = add(
        "restart", "Stop it and start it again, on the same ports and repository unless others are given.", _restart
    )
    stop = add("stop", "Stop it and wait until no process of it is left.", _stop)
    status = add("status", "Say whether it runs and what it serves; exit status 1 when it is not ready.", _status)
    reload = add("reload", "Load the versions that are now in the repository.", _reload)
    for command in (start, restart, stop, status, reload):
        command.add_argument(
            "--run-dir", type=Path, default=Path("var/run/triton"), help="its state and log (default: %(default)s)"
        )
    for command in (start, restart):
        command.add_argument("--model-repository", type=Path, required=command is start, help="the folder to serve")
        for port, of in (("grpc", "gRPC"), ("http", "HTTP"), ("metrics", "metrics")):
            command.add_argument(
                f"--{port}-port", type=_port, default=0, help=f"port of {of} on 127.0.0.1; 0 (default) picks a free one"
            )
        command.add_argument(
            "--model", action="append", default=[], help="load only this model; may be repeated (default: all)"
        )
        command.add_argument("--log", type=Path, help="log file, appended to (default: <run-dir>/triton.log)")
        command.add_argument(
            "--timeout", type=float, help=f"seconds until ready, in each of {TRIES} tries (default: {TIMEOUT:g})"
        )
        command.add_argument(
            "--server-argument", action="append", default=[], help="passed on to tritonserver; may be repeated"
        )
    status.add_argument("--field", choices=(*FIELDS, "repository"), help="print only this")
    reload.add_argument("model", nargs="*", help="models to load again (default: all that the server knows)")
    return parser


def _install(args: argparse.Namespace) -> int:
    installed = environment.install(args.venv, force=args.force)
    print(f"local Triton installed in {installed.root} (Python {installed.python})")
    return 0


def _start(args: argparse.Namespace) -> int:
    triton = LocalTriton(
        args.model_repository,
        args.run_dir,
        venv=args.venv,
        grpc_port=args.grpc_port,
        http_port=args.http_port,
        metrics_port=args.metrics_port,
        models=args.model,
        arguments=args.server_argument,
        log=args.log,
        timeout=args.timeout or TIMEOUT,
    )
    print("Triton is ready" if triton.start() else "Triton runs already")
    _print_addresses(triton)
    return 0


def _restart(args: argparse.Namespace) -> int:
    old = LocalTriton.recorded(args.run_dir, venv=args.venv)
    if old is not None:
        old.stop()
        args.model_repository = args.model_repository or old.repository
        args.model = args.model or list(old.models)
        args.server_argument = args.server_argument or list(old.arguments)
        args.log = args.log or old.log
        args.timeout = args.timeout or old.timeout
        args.grpc_port, args.http_port, args.metrics_port = (
            given or used
            for given, used in zip((args.grpc_port, args.http_port, args.metrics_port), old.ports, strict=True)
        )
    if args.model_repository is None:
        raise LocalTritonError(f"nothing was started from {args.run_dir}: say what to serve with --model-repository")
    return _start(args)


def _stop(args: argparse.Namespace) -> int:
    triton = LocalTriton.recorded(args.run_dir, venv=args.venv)
    if triton is None:
        print("Triton does not run")
        return 0
    triton.stop()
    print("Triton is stopped")
    return 0


def _status(args: argparse.Namespace) -> int:
    triton = LocalTriton.recorded(args.run_dir, venv=args.venv)
    ready = triton is not None and triton.ready
    revival = triton.revival if triton is not None and not ready else ""
    if triton is None or revival or not triton.running:
        print(f"Triton is being started anew: {revival}" if revival else "Triton does not run", file=sys.stderr)
        return 1
    if args.field:
        print(getattr(triton, args.field))
        return 0
    print(f"Triton {'is ready' if ready else 'runs and is not ready'}, serving {triton.repository}")
    _print_addresses(triton)
    for row in triton.index():
        reason = row.get("reason", "").partition("\n")[0]
        print(f"  {row['name']} {row.get('version', '-')} {row.get('state', 'not loaded')} {reason}".rstrip())
    return 0 if ready else 1


def _reload(args: argparse.Namespace) -> int:
    triton = LocalTriton.recorded(args.run_dir, venv=args.venv)
    if triton is None or not triton.running:
        raise LocalTritonError(f"no local Triton runs from {args.run_dir}")
    for model in args.model or sorted({row["name"] for row in triton.index()}):
        triton.reload(model)
        print(f"{model}: loaded")
    return 0


def _print_addresses(triton: LocalTriton) -> None:
    for field in FIELDS:
        print(f"  {field:<12} {getattr(triton, field)}")
    print(f"  {NOTE}")


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is not a port: 0 to 65535")
    return port


if __name__ == "__main__":
    sys.exit(main())
