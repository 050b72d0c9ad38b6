"""Computes members, one after the other, on all ranks together."""

from hnn_hpc.errors import HnnError, Interruption
from hnn_hpc.progress import stage
from hnn_hpc.reproduction.results import note_problem
from hnn_hpc.run import run_job


def compute(members, communicator, progress=None):
    """Run the members; one that fails leaves why in its folder, and the others go on. Collective: every rank passes the same members.

    Errors, on all ranks: `Interruption`, which says how many are done. On several ranks a mistake of the program or a lack of memory, which
    may have come to one rank alone, is raised too; a rank that is by itself notes it like every other failure.
    """
    with stage(progress, "members", len(members)) as on_member:
        for done, member in enumerate(members):
            try:
                problem = _attempt(member, communicator)
            except Interruption:
                raise Interruption(
                    f"interrupted; {done} of {len(members)} members are done; the same command, without --force, goes on with the others",
                    resumable=True,
                ) from None
            with communicator.together():
                if problem and communicator.is_root:
                    note_problem(member, problem)
            on_member()


def _attempt(member, communicator):
    """Run one member; return why it failed, or None."""
    try:
        run_job(member.job, communicator, force=True)  # another process may have computed it meanwhile
    except Interruption:
        raise
    except HnnError as error:
        return str(error)
    except Exception as error:
        if communicator.size > 1:
            raise
        return f"{type(error).__name__}: {error}"
    return None
