"""The program `hnn-hpc`: reads the command line, runs one command on all ranks, and turns its end into output and an exit code.

A command is a module with HELP, `add_arguments(parser)`, `run(arguments, communicator, progress)` -> the result as a dictionary, the
same on every rank, and `describe(result)` -> text for a person. Only rank 0 prints. A result may hold an "exit_code" other than 0.
`arguments.interruptions` lets a command put off an interruption (see `interruption`); `arguments.petsc_options` are the words after `--`.
"""

import argparse
import contextlib
import io
import os
import re
import sys
import time
import traceback

from hnn_hpc import __version__
from hnn_hpc.cli import (
    bench,
    compare,
    evaluate,
    figure,
    fit,
    generate,
    import_data,
    info,
    plan,
    predict,
    report,
    reproduce,
    simulate,
    status,
    submit,
)
from hnn_hpc.cli.exit_codes import DONE, EXIT_CODES, exit_code_of
from hnn_hpc.cli.interruption import interruptions_raised
from hnn_hpc.cli.launch import Rendezvous, dying_with_launcher, launched_communicator, launched_rank_and_size
from hnn_hpc.cli.progress import ProgressBar, ProgressLog
from hnn_hpc.errors import HnnError, Interruption, UserError
from hnn_hpc.json_text import json_text

COMMANDS = {
    "generate": generate,
    "import": import_data,
    "plan": plan,
    "fit": fit,
    "submit": submit,
    "status": status,
    "evaluate": evaluate,
    "simulate": simulate,
    "predict": predict,
    "info": info,
    "figure": figure,
    "report": report,
    "bench": bench,
    "compare": compare,
    "reproduce": reproduce,
}

TO_FORWARD = 0.3  # seconds that mpirun may need to pass on what was printed, which it drops once the program is aborted


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are `UserError`s, so that they are printed once and answered like every other."""

    def error(self, message):
        raise UserError(f"{message} (see {self.prog} --help)")


def main(argv=None):
    """Run one command and return its exit code. `argv`: the arguments after the program's name; default: the process's own."""
    rank, size = launched_rank_and_size(os.environ)
    with interruptions_raised() as interruptions, dying_with_launcher(size):
        return _run(argv, interruptions, rank, size)


def _run(argv, interruptions, rank, size):
    argv, petsc_options = _split(sys.argv[1:] if argv is None else list(argv))
    communicator = rendezvous = progress = None
    try:
        with interruptions.deferred():  # until the ranks can tell each other
            communicator = launched_communicator(size)
            rendezvous = Rendezvous(communicator)
        if petsc_options and argv[:1] != ["fit"]:
            raise UserError(f"what follows -- are options of PETSc, which the command fit alone takes; got {petsc_options[0]!r}")
        arguments = _parse(argv, is_root=rank == 0)
        arguments.interruptions, arguments.petsc_options = interruptions, petsc_options
        progress = _progress(arguments, rank)
        result = arguments.command.run(arguments, communicator, progress)
    except SystemExit as end:  # --help
        return end.code or DONE
    except Exception as error:
        if progress:
            progress.finish()
        if argv[:1] == ["fit"] and isinstance(error, Interruption) and str(error) == Interruption.BARE:
            words = "interrupted before the fit began, or after its end; the same command with --resume goes on, or says that it is done"
            error = Interruption(words, resumable=True)
        # Ranks that fail alike end alike. One that fails alone, by a mistake of the program, must end the others, which wait for it.
        together = isinstance(error, HnnError) and rendezvous is not None and rendezvous.everybody_comes()
        alone = size > 1 and communicator is not None and not together
        if alone or rank == 0:
            _print_error(error, f" on rank {rank}" if alone else "", "--json" in argv)
        if alone:
            time.sleep(TO_FORWARD)
            communicator.abort(exit_code_of(error))
        return exit_code_of(error)
    if rank == 0:
        if not arguments.quiet:
            print(_printable(arguments.command.describe(result)))
        if arguments.json:
            print(json_text(result))
    return result.get("exit_code", DONE)


def _printable(text):
    """Return the text with bytes of file names that are no UTF-8 as escapes, which stderr prints by itself and stdout refuses."""
    return text.encode("utf-8", "backslashreplace").decode()


def _split(argv):
    """Return the list of the words before the first `--` and the tuple of those after it, which argparse would take for arguments."""
    end = argv.index("--") if "--" in argv else len(argv)
    return argv[:end], tuple(argv[end + 1 :])


def _parse(argv, is_root):
    parser = Parser(
        prog="hnn-hpc",
        description="Learn a Hamiltonian from samples of positions, momenta and their velocities, on one process or under mpirun.",
        epilog="exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()),
    )
    parser.add_argument("--version", action="version", version=f"hnn-hpc {__version__}")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print one JSON object as the last line of stdout, after an error too")
    shared.add_argument("--quiet", action="store_true", help="no table and no progress bar")
    shared.add_argument("--log", action="store_true", help="log lines of every rank on stderr, in place of the progress bar")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=Parser)
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=command.HELP, description=command.HELP, parents=[shared], allow_abbrev=False)
        subparser.set_defaults(command=command)
        command.add_arguments(subparser)
    with contextlib.nullcontext() if is_root else contextlib.redirect_stdout(io.StringIO()):
        return parser.parse_args(_join_negative_values(argv))


def _join_negative_values(argv):
    """Write `--start -1,0` as `--start=-1,0`: argparse would take the list for an option."""
    joined = []
    for argument in argv:
        if joined and re.match(r"-[\d.]", argument) and re.fullmatch(r"--[a-z-]+", joined[-1]):
            joined[-1] += "=" + argument
        else:
            joined.append(argument)
    return joined


def _progress(arguments, rank):
    if arguments.log:
        return ProgressLog(sys.stderr, rank)
    return ProgressBar(sys.stderr) if rank == 0 and not arguments.quiet and sys.stderr.isatty() else None


def _print_error(error, where, as_json):
    """Print one line; for a mistake of the program itself the traceback goes before it."""
    if isinstance(error, HnnError):
        message = " ".join(str(error).split())
    elif isinstance(error, MemoryError):
        message = f"out of memory: {error}; use more ranks or nodes, or set solver.memory_per_rank"
    else:
        if not isinstance(error, OSError):
            traceback.print_exception(error)
        message = f"{type(error).__name__}: {error}"
    print(f"hnn-hpc: error{where}: {message}", file=sys.stderr, flush=True)
    if as_json:
        print(json_text({"error": message, "exit_code": exit_code_of(error)}), flush=True)
