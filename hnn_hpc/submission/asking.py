"""From what a fit needs to what its job asks for, on a cluster that may be known or not."""

from dataclasses import replace

from hnn_hpc.errors import UserError
from hnn_hpc.submission.needs import needs_of, time_to_ask
from hnn_hpc.submission.partitions import fitting, longest_time, tells_memory
from hnn_hpc.submission.times import check_limit


def fitted(request, forecast, chosen, partitions, wanted, with_memory=True):
    """Return (`Request`, `Needs`): a request that has memory and time too, and what these are for.

    Parameters: request: of nodes, tasks and cores, and of seconds, or as many as suit prediction and partition; forecast, chosen:
    see `needs.needs_of`; partitions, wanted: the `Partition`s of the cluster by name, and those that the job may run in, None and [] where
    nobody knows; with_memory: whether to ask for memory.
    Errors: `UserError` where that does not fit into any partition that is wanted, and for a limit too short to get anywhere.
    """

    def needs_for(tasks, keep=False):
        return needs_of(replace(forecast, ranks=request.nodes * tasks), chosen, keep)

    def memory_of(tasks):
        return needs_for(tasks).memory_to_ask(tasks)

    there = []
    for keep in (True, False):  # what an iterative solver would like to keep, if there is a node for that
        needs = needs_for(request.tasks, keep)
        asked = replace(request, memory=needs.memory_to_ask(request.tasks) if with_memory else None)
        try:
            if wanted:
                there = fitting(partitions, wanted, asked, memory_of)
            break
        except UserError:
            if not keep:
                raise
    if not tells_memory(wanted):
        asked = replace(asked, memory=None)
    if asked.seconds is None:
        asked = replace(asked, seconds=min(time_to_ask(needs.seconds), longest_time(there)))
    check_limit(asked.seconds, needs.warning)
    return asked, needs
