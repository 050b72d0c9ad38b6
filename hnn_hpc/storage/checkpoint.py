"""The checkpoint of a fit: a directory with one file an array, written while the fit runs and read when it goes on.

A solve keeps the finished nodes of its tree reduction, each in a file of its own that any rank may have written, and later what the
reduction gave. No file belongs to a rank, none is changed, and any set of them will do: a run on other ranks takes over the nodes that it
finds whole and computes the blocks that none of them covers.
"""

import os
import re
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from threading import Lock

from hnn_hpc.errors import OutputError, UserError
from hnn_hpc.storage.checkpoint_file import check_checkpoint_file, header_of_checkpoint_file, write_checkpoint_file
from hnn_hpc.storage.solve_checkpoint import SolveCheckpoint, blocks_in, parse

SECONDS = 300.0
COMPONENT = re.compile(r"component-\d+-")  # in the name of a solve: of some of the features, by themselves
OTHER_FIT = "go on with the options and samples of that fit, give another --output, or begin anew by --force without --resume"


class Uninterrupted:
    """Stands for a program whose signals raise what they always raise (in place of `cli.interruption.Interruptions`)."""

    noted = False
    deferred = staticmethod(nullcontext)


class Checkpoint:
    """The checkpoint of one fit, in a directory of its own.

    directory      made when something is saved first
    seconds        between two times that something is saved; 0: never
    resume         go on from what is there; otherwise something that is there is an error, or, with
    force          is removed
    interruptions  `noted`: whether the process was told to end; `deferred()`: a context in which that raises nothing
    say            say(text) tells the user what he would want to know, on the root only

    Attributes: solve, the `SolveCheckpoint` of the latest solve; resumed, whether any solve took something over; blocks_taken_over, how
    many blocks of all solves it had done; problem, why something could not be saved the last time, or None.
    """

    def __init__(self, directory, seconds=SECONDS, resume=False, force=False, interruptions=None, say=None):
        self.directory, self.seconds, self.resume, self.force = Path(directory), seconds, resume, force
        self.interruptions = interruptions if interruptions and seconds else Uninterrupted
        self.say = say or _nothing
        self.solve, self.resumed, self.problem, self._solves, self._checked = None, False, None, [], {}
        self._damaged = set()  # when they were looked at
        self._found = self._times()
        self._prepared, self._cleared, self._problem_told, self._interruption_seen = False, False, False, False
        self._lock, self._next = Lock(), time.monotonic() + seconds
        self._place_was_there = None

    @property
    def files(self):
        """The names of the files that are there, sorted; those of other shape are not ours."""
        with suppress(OSError, ValueError):
            return sorted(path.name for path in self.directory.iterdir() if parse(path.name))
        return []

    @property
    def has_saved(self):
        """Whether any rank has saved anything in this run, as the directory tells."""
        return any(self._found.get(file) != time for file, time in self._times().items())

    @property
    def blocks_taken_over(self):
        """How many blocks earlier runs had done, of all solves so far."""
        return sum(solve.blocks_taken_over for solve in self._solves)

    def prepare(self, solves=None):
        """Look, on one rank and before anything is computed, for what an earlier run has left.

        `solves`: names of the solves that this fit may make, once they are known, but for those of components, of which `check_solves`
        is told. Errors: `UserError` where what is there is in the way, or is of none of these solves.
        """
        if not self._prepared:
            self._look()
        self._prepared = True
        others = {name for name in self._names_there() if not COMPONENT.search(name)} - set(solves) if solves and self.resume else ()
        if others:
            raise UserError(
                f"{self.directory} holds the checkpoint of a fit by another solver: {', '.join(sorted(others))} there, "
                f"{' or '.join(solves)} here; go on with solver.name as it was, or begin anew by --force without --resume"
            )

    def check_solves(self, problems, is_among, communicator):
        """Look for what belongs to another fit than this one, before the first of several solves begins. Collective, as `of_solve`.

        Parameters: problems (dict): the problem of each solve that may be made, by its name; is_among(name) -> bool: which names are of
        such solves, of this fit or another.
        Errors: `UserError` where what is there belongs to another problem, or to none of these solves.
        """
        self._begin(communicator)
        shared = {key: value for key, value in next(iter(problems.values())).items() if all(p[key] == value for p in problems.values())}
        for name in communicator.broadcast(list(filter(is_among, self._names_there())) if communicator.is_root else None):
            if name in problems:
                self._checked[name] = self._parts_of(name, problems[name], communicator)
            else:
                self._parts_of(name, shared, communicator, shared)
                raise UserError(
                    f"{self.directory} holds a solve that is none of this fit, {name}: other features have coordinates in common there; "
                    + OTHER_FIT
                )

    def of_solve(self, name, problem, blocks, communicator):
        """Return the `SolveCheckpoint` of one solve. Collective; every rank checks some of the files.

        Parameters: name (text of small letters, digits and hyphens): which solve of the fit; problem: a dictionary of plain values, all
        that decides the bits of the arrays; blocks (int): of the tree.
        Errors: `UserError` where what is there belongs to another problem. What is damaged is left out, which `say` tells.
        """
        self._begin(communicator)
        parts = self._checked.pop(name) if name in self._checked else self._parts_of(name, problem, communicator)
        self.solve = SolveCheckpoint(self, name, problem, blocks, parts)
        self._solves.append(self.solve)
        self.resumed = self.resumed or bool(parts)
        if parts:
            self.say(f"the fit goes on from {self.directory}: {self.solve.blocks_taken_over} of {blocks} blocks are done")
        return self.solve

    def _begin(self, communicator):
        """Make room for the first solve, on the root, which alone speaks from now on."""
        if communicator.is_root:
            self.clear()
        else:
            self.say = _nothing
        if self._place_was_there is None:
            self._place_was_there = self.directory.parent.is_dir()

    def _times(self):
        """Return when each of `files` was written."""
        times = {}
        for file in self.files:
            with suppress(OSError):
                times[file] = (self.directory / file).stat().st_mtime_ns
        return times

    def _names_there(self):
        """Return the names of the solves that files are there of, sorted."""
        return sorted({parse(file)[0] for file in self.files})

    def _parts_of(self, name, problem, communicator, entries=None):
        """Return the parts of a solve that are there whole; `UserError` where they belong to a problem that differs from this one.

        Collective. entries: of the problem, those that are compared; None: all.
        """
        files = communicator.broadcast([file for file in self.files if parse(file)[0] == name] if communicator.is_root else None)
        checked = [self._check(file, problem, entries) for file in files[communicator.rank :: communicator.size]]
        parts = set()
        for file, difference, damage in sorted(verdict for some in communicator.all_gather(checked) for verdict in some):
            if difference:
                raise UserError(f"{self.directory / file} belongs to another fit than this one: {difference}; {OTHER_FIT}")
            if not damage:
                parts.add(parse(file)[1])
            else:
                self._damaged.add(file)
                self.say(f"{damage}; what it held is computed again, as far as no other file holds it")
        return parts

    def remove(self):
        """Remove the files and, where nothing else is in it, the directory; on one rank, when nobody writes any more."""
        self.remove_files(self.files)
        with suppress(OSError):
            self.directory.rmdir()

    def remove_files(self, files):
        """Remove files by name; one that cannot be removed stays."""
        for file in files:
            with suppress(OSError):
                (self.directory / file).unlink()

    def summary(self):
        """Return in words what is saved, as the directory tells."""
        files = [file for file in self.files if not (file in self._damaged and self._check(file, {}, None)[2])]
        parts = {part for solve, part in map(parse, files) if self.solve and solve == self.solve.name}
        if parts:
            return f"{blocks_in(parts, self.solve.blocks)} of {self.solve.blocks} blocks are saved in {self.directory}"
        return f"what an earlier run saved is in {self.directory}" if self.files else "nothing is saved yet"

    def is_due(self):
        """Return whether it is time to save: every `seconds`, and once after an interruption. Any thread may ask."""
        with self._lock:
            if self.interruptions.noted and not self._interruption_seen:
                self._interruption_seen = True
                return True
            if not self.seconds or time.monotonic() < self._next:
                return False
            self._next = time.monotonic() + self.seconds
            return True

    def write(self, file, *content):
        """Write one file; return whether that succeeded. Where it did not, the fit goes on all the same."""
        try:
            self.directory.mkdir(parents=not self._place_was_there, exist_ok=True)
            write_checkpoint_file(self.directory / file, *content)
        except (UserError, OutputError, OSError) as error:
            gone = f"{self.directory.parent} has gone; make it again, or nothing can be written there"
            self.tell(str(error) if os.path.lexists(self.directory.parent) else gone)
            return False
        return True

    def tell(self, problem):
        """Keep in mind that something could not be saved, and say so the first time."""
        self.problem = problem
        if not self._problem_told:
            self.say(f"the fit goes on, but its checkpoint is not complete: {problem}")
        self._problem_told = True

    def _look(self):
        if os.path.lexists(self.directory) and not self.directory.is_dir():
            raise UserError(f"{self.directory} is in the way of a checkpoint and is no directory; move it, or set checkpoint_seconds to 0")
        if self.directory.is_dir() and not os.access(self.directory, os.R_OK | os.X_OK):
            raise UserError(f"{self.directory}, which may hold a checkpoint, cannot be read; see to its permissions, or move it")
        if self.files and not (self.resume or self.force):
            raise UserError(
                f"{self.directory} holds the checkpoint of a fit that was not finished; pass --resume to go on from it, or --force to "
                "remove it and begin anew (resume=True or force=True in Python)"
            )
        if self.resume and not self.files:
            self.say(f"there is no checkpoint in {self.directory}, so the fit begins at its beginning")

    def clear(self):
        """Remove what is of no use to this fit, on the root, once it is clear that there will be one."""
        if self._cleared:
            return
        self._cleared = True
        if not self.resume:
            self.remove()
        with suppress(OSError):
            for path in self.directory.glob(".*.partial"):  # of a run that was killed while it wrote
                path.unlink()

    def _check(self, file, problem, entries):
        """Return (file, how its problem differs from this one, why it cannot be used); text, empty where that is not so."""
        try:
            found = check_checkpoint_file(self.directory / file)
        except UserError as error:
            return file, "", str(error)
        if found["part"] != parse(file)[1]:
            return file, "", f"{self.directory / file} holds another part, {found['part']}"
        return file, _difference(found["problem"], problem, entries), ""


def saved_blocks(directory):
    """Return how far the solves are whose checkpoint a directory (Path) holds, a list of dictionaries fit for JSON; empty without one.

    Of each: solve, its name; blocks, how many of its tree are saved, and `of` how many; seconds_ago, since the newest file was. Files that
    cannot be read, or that are gone meanwhile, are left out.
    """
    solves = {}
    for file in Checkpoint(directory).files:
        solve, part = parse(file)
        with suppress(OSError, UserError, KeyError, TypeError):  # of another version, maybe
            of = header_of_checkpoint_file(directory / file)["problem"]["blocks"]
            solves.setdefault(solve, []).append((part, of, (directory / file).stat().st_mtime))
    return [
        {
            "solve": solve,
            "blocks": blocks_in([part for part, _, _ in found], found[0][1]),
            "of": found[0][1],
            "seconds_ago": max(0.0, time.time() - max(written for _, _, written in found)),
        }
        for solve, found in sorted(solves.items())
    ]


def _nothing(text):
    """Say nothing."""


def _difference(found, expected, entries):
    """Return in words what differs between two problems in these entries (None: all)."""
    if not isinstance(found, dict):
        return "what it belongs to cannot be read"
    names = [name for name in entries or {**expected, **found} if found.get(name) != expected.get(name)]
    return ", ".join(f"{name} {_short(found.get(name))} there and {_short(expected.get(name))} here" for name in names)


def _short(value):
    """Return a value as text; of a long digest the beginning is enough."""
    text = str(value)
    return text if len(text) <= 32 else f"{text[:8]}…"
