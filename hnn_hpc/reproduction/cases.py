"""The cases of a reproduction, as `published.toml` tells them: which job, and what is published for it."""

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from hnn_hpc.errors import UserError
from hnn_hpc.job import check_names
from hnn_hpc.values import LARGEST, SMALLEST, finite_number, whole_number

PUBLISHED_FILE = "published.toml"
BASELINE = "hnn-adam"
# What the table and the picture call a sampler of ours, in the order of the columns; the last is the program's default.
SAMPLER_COLUMNS = {
    "elm": "ELM",
    "uniform-swim": "U-SWIM",
    "approximate-swim": "A-SWIM",
    "swim": "SWIM",
    "gradient-swim": "gradient SWIM",
    "anchored": "auto",
}
COLUMNS = {BASELINE: "HNN, Adam"} | SAMPLER_COLUMNS
CASE_KEYS = ("title", "job", "set", "samplers", "widths", "published")
FIGURES = ("energy_error", "seconds")


@dataclass(frozen=True)
class Case:
    """One problem of the paper.

    name        of its folder of results
    title       of its rows in the table
    job         the job file (Path)
    settings    keys of the job to replace, texts "table.key=value"
    widths      numbers of features for the picture of error against width
    published   what is published, {features: {method: {"energy_error", "seconds"}}}; a figure that is not published is not there
    samplers    the names of those that can take it
    """

    name: str
    title: str
    job: Path
    settings: tuple = ()
    widths: tuple = ()
    published: dict = field(default_factory=dict)
    samplers: tuple = tuple(SAMPLER_COLUMNS)


def read_cases(folder):
    """Return ({"source", "figures"}, {name: Case}) from the file PUBLISHED_FILE in a folder, whose job files lie beside it.

    Errors: `UserError` naming the file and the key. The job files are not looked at.
    """
    path = Path(folder) / PUBLISHED_FILE
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; give the folder that holds it, such as jobs/paper") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # of TOML, or not text at all
        raise UserError(f"{path} is not valid TOML: {error}") from None
    try:
        check_names("the file", tables, ("source", "figures", "cases"))
        origin = {key: _text(tables, key, "the file") for key in ("source", "figures")}
        cases = {name: _case(name, table, path.parent) for name, table in _table(tables.get("cases"), "cases").items()}
        if not cases:
            raise UserError("it holds no case; add a table [cases.NAME] with title and job")
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return origin, cases


def _case(name, table, folder):
    place = f"[cases.{name}]"
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        raise UserError(f"{place}: the name becomes that of a folder; expected letters, digits, '-', '_' and '.' alone")
    check_names(place, _table(table, place), CASE_KEYS)
    settings, widths = table.get("set", []), table.get("widths", [])
    if not (isinstance(settings, list) and all(isinstance(setting, str) for setting in settings)):
        raise UserError(f"{place}: set = {settings!r}: expected a list of texts such as 'data.alpha = 0.5'")
    samplers = table.get("samplers", list(SAMPLER_COLUMNS))
    if not (isinstance(samplers, list) and samplers):
        raise UserError(f'{place}: samplers = {samplers!r}: expected a list of names such as ["anchored"]')
    check_names(f"{place}: samplers", samplers, tuple(SAMPLER_COLUMNS), "samplers")
    if not isinstance(widths, list):
        raise UserError(f"{place}: widths = {widths!r}: expected a list of numbers of features")
    widths = tuple(whole_number(width, f"{place}: widths", at_least=1) for width in widths)
    published = {
        _features(features, place): {method: _figures(method, figures, place) for method, figures in _table(methods, place).items()}
        for features, methods in _table(table.get("published", {}), f"{place}: published").items()
    }
    job = folder / _text(table, "job", place)
    return Case(name, _text(table, "title", place), job, tuple(settings), widths, published, tuple(samplers))


def _features(text, place):
    return whole_number(int(text) if text.isdecimal() else text, f"{place}: published", at_least=1)


def _figures(method, figures, place):
    check_names(f"{place}: published", [method], tuple(COLUMNS), "methods")
    what = f"{place}: published {method}"
    check_names(what, _table(figures, what), FIGURES)
    figures = {key: finite_number(value, f"{what}.{key}") for key, value in figures.items()}
    for key, value in figures.items():
        if not SMALLEST <= value <= LARGEST:
            raise UserError(f"{what}.{key} = {value:g}: expected a number above 0")
    return figures


def _text(table, key, place):
    if not (isinstance(table.get(key), str) and table[key]):
        raise UserError(f"{place}: {key} = {table.get(key)!r}: expected a text")
    return table[key]


def _table(value, place):
    if not isinstance(value, dict):
        raise UserError(f"{place} = {value!r}: expected a table")
    return value
