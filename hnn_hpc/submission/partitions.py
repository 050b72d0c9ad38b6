"""What a cluster has, as `sinfo` tells, and whether a job fits there. Nothing here starts a program."""

import math
from dataclasses import dataclass

from hnn_hpc.errors import UserError
from hnn_hpc.quantities import byte_size, count
from hnn_hpc.submission.times import parse_time, time_text

# One line for the nodes of a partition that are alike: its name, and again with a star for the default one, its time limit, how many nodes
# and how many cores of a node a job may have, then the number of these nodes, the cores and the MiB of each.
FIELDS = ("%R", "%P", "%l", "%s", "%B", "%D", "%c", "%m")
SEPARATOR = "|"
FORMAT = SEPARATOR.join(FIELDS)
UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}  # sinfo writes 2048 cores as 2K
MEMORY_UNTOLD = 1  # MiB: the memory of a node whose configuration does not tell it


@dataclass(frozen=True)
class Nodes:
    """Nodes that are alike: how many, cores of each, and bytes of memory, or None where the configuration does not tell."""

    count: int
    cores: int
    memory: float | None


@dataclass(frozen=True)
class Partition:
    """One partition: name, whether it is the default, the longest time limit in seconds, the most nodes of a job and cores of a node for
    one, each of which may be infinite, and its `Nodes`, those that are down among them: a job waits for these."""

    name: str
    is_default: bool
    seconds: float
    most_nodes: float
    most_cores: float
    nodes: tuple

    def cores_of(self, nodes):
        """Return how many cores a job may have of each of some `Nodes`."""
        return min(nodes.cores, self.most_cores)


@dataclass(frozen=True)
class Request:
    """What a job asks for: nodes, tasks of a node, cores of a task, bytes of a node or None, seconds or None: as long as it may."""

    nodes: int
    tasks: int
    cores: int
    memory: float | None = None
    seconds: float | None = None


def parse_partitions(text):
    """Return the `Partition`s, by name, in a text with a line of FORMAT for each kind of nodes of each partition.

    Numbers may be as sinfo writes them: "64", "64+" (at least 64), "2K" (2048), "infinite", "1-4" (of nodes: 4 at most).
    Errors: `UserError` quoting the line that cannot be read.
    """
    partitions = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        try:
            name, starred, limit, sizes, cores, *alike = line.split(SEPARATOR)
            number, cores_of_each, memory = alike
            nodes = Nodes(_number(number), _number(cores_of_each), _memory(memory))
            limits = parse_time(limit), _number(sizes.rpartition("-")[2]), _number(cores)
        except (ValueError, OverflowError, UserError):
            raise UserError(f"what sinfo tells of the cluster cannot be read: {line!r}, expected {FORMAT}") from None
        earlier = partitions[name].nodes if name in partitions else ()
        partitions[name] = Partition(name, starred.endswith("*"), *limits, earlier + ((nodes,) if nodes.count else ()))
    return partitions


def _number(text):
    """Return a number as sinfo writes it."""
    if text.lower() in ("infinite", "unlimited", "n/a"):
        return math.inf
    text = text.removesuffix("+")
    unit = UNITS.get(text[-1:].upper())
    return int(float(text[:-1]) * unit) if unit else int(text)


def _memory(text):
    """Return bytes from MiB as sinfo writes them; None where they are not told."""
    number = _number(text)
    return number * 2**20 if number > MEMORY_UNTOLD else None


def named(partitions, name):
    """Return the list of `Partition`s that --partition=`name` means: one, several with commas between, or for None the default one.

    Errors: `UserError` that lists those there are.
    """
    there = f"the partitions are: {', '.join(partitions)}"
    if name is None:
        default = [partition for partition in partitions.values() if partition.is_default]
        if not default:
            raise UserError(f"the cluster has no default partition; pass --partition: {there}")
        return default
    for one in name.split(","):
        if one not in partitions:
            raise UserError(f"there is no partition {one!r}; {there}")
    return [partitions[one] for one in name.split(",")]


def longest_time(chosen):
    """Return the longest time limit, in seconds, of some `Partition`s."""
    return max((partition.seconds for partition in chosen), default=math.inf)


def tells_memory(chosen):
    """Return whether some `Partition`s tell the memory of their nodes; SLURM grants none that is asked for where they do not."""
    return all(nodes.memory is not None for partition in chosen for nodes in partition.nodes)


def fitting(partitions, chosen, request, memory_of):
    """Return the list of those of the chosen `Partition`s that a `Request` fits into.

    Parameters: partitions: see `parse_partitions`; memory_of(tasks) -> the bytes of a node with so many tasks, to say how many would fit.
    Errors: `UserError` where it fits into none; the message says what would, of all that there are.
    """
    problems = [_misfit(partition, request, memory_of) for partition in chosen]
    if all(problems):
        others = [name for name, other in partitions.items() if not _misfit(other, request, memory_of)]
        elsewhere = f"; it fits into the partition{'s' if len(others) > 1 else ''} {', '.join(others)}" if others else ""
        raise UserError(problems[0] + elsewhere)
    return [partition for partition, problem in zip(chosen, problems, strict=True) if not problem]


def _misfit(partition, request, memory_of):
    """Return why a `Request` does not fit into a partition, as a sentence; empty where it does."""
    name, cores = partition.name, request.tasks * request.cores
    most_cores = max(map(partition.cores_of, partition.nodes), default=0)
    if cores > most_cores:
        return (
            f"--tasks-per-node times --cpus-per-task is {count(cores, 'core')} a node, but a job of the partition {name} may have "
            f"{most_cores} at most; pass smaller ones and more --nodes"
        )
    wide_enough = [nodes for nodes in partition.nodes if partition.cores_of(nodes) >= cores]
    memory = request.memory
    if memory is not None and not any(nodes.memory is None or nodes.memory >= memory for nodes in wide_enough):
        largest = max(nodes.memory for nodes in wide_enough)
        tasks = next((tasks for tasks in range(request.tasks - 1, 0, -1) if memory_of(tasks) <= largest), None)
        fewer = f"{count(tasks, 'task')} a node and more nodes, or " if tasks else ""
        return (
            f"a node needs {byte_size(memory)} for {count(request.tasks, 'task')}, but the largest node of the partition {name} with "
            f"{count(cores, 'core')} has {byte_size(largest)}; what would fit: {fewer}fewer features, or what you know to be enough, by "
            "--sbatch=--mem=SIZE"
        )
    number = sum(nodes.count for nodes in wide_enough if memory is None or nodes.memory is None or nodes.memory >= memory)
    if request.nodes > number:
        of_each = f"{count(cores, 'core')}{'' if memory is None else f' and {byte_size(memory)}'}"
        return f"--nodes is {request.nodes}, but the partition {name} has {count(number, 'node')} with {of_each} each; pass fewer --nodes"
    if request.nodes > partition.most_nodes:
        return f"--nodes is {request.nodes}, but a job of the partition {name} may have {partition.most_nodes} at most"
    if request.seconds is not None and request.seconds > partition.seconds:
        return (
            f"--time {time_text(request.seconds)} is above the limit of the partition {name}, {time_text(partition.seconds)}; pass a "
            "smaller one: a job that reaches its limit goes on from its checkpoint"
        )
    return ""
