"""`hnn-hpc report DIR`: a page to look at, of a fit that has finished."""

from pathlib import Path

from hnn_hpc.cli.text import byte_size, count, table
from hnn_hpc.run_report import PAGE, write_report

HELP = "make a page of a finished fit: energy, features, errors, motion, times and certificate, in one HTML file"


def add_arguments(parser):
    parser.add_argument("directory", type=Path, metavar="DIR", help="the output directory of a fit")
    parser.add_argument(
        "--output", type=Path, metavar="FILE.html", help=f"default DIR/{PAGE}; its pictures go into a folder of that name beside it"
    )
    parser.add_argument("--force", action="store_true", help="replace an existing report")


def run(arguments, communicator, progress):
    with communicator.together():
        result = write_report(arguments.directory, arguments.output, arguments.force) if communicator.is_root else None
    return communicator.broadcast(result)


def describe(result):
    pictures = f"{count(len(result['pictures']), 'picture')} in {result['folder']}"
    return table([("written", f"{result['file']}, {byte_size(result['bytes'])}"), ("", pictures)])
