"""What sinfo tells, as it was seen or as its manual describes it, and what fits. tests/slurm asks a real one."""

import math

import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.submission.partitions import FORMAT, Nodes, Partition, Request, fitting, longest_time, named, parse_partitions, tells_memory

MIB, GIB = 2**20, 2**30

# By SLURM 22.05, of a cluster with nodes of several kinds: big[1-1024] of 2048 cores, and some whose memory is not configured.
SINFO = """\
main|main*|infinite|1-infinite|UNLIMITED|2|8|65536
big|big|1-12:30:00|1-infinite|UNLIMITED|1K|2K|1048576
mixed|mixed|1:30:00|1-3|6|2|8|65536
mixed|mixed|1:30:00|1-3|6|10|16|131072
dumb|dumb|30:00|1-infinite|UNLIMITED|2|4|1
empty|empty|30:00|2-infinite|UNLIMITED|0|0|0
"""


@pytest.fixture
def partitions():
    return parse_partitions(SINFO)


def test_every_field_is_read(partitions):
    assert list(partitions) == ["main", "big", "mixed", "dumb", "empty"]
    assert partitions["main"] == Partition("main", True, math.inf, math.inf, math.inf, (Nodes(2, 8, 64 * GIB),))
    assert partitions["big"] == Partition("big", False, 131_400, math.inf, math.inf, (Nodes(1024, 2048, 1024 * GIB),))
    assert partitions["mixed"] == Partition("mixed", False, 5400, 3, 6, (Nodes(2, 8, 64 * GIB), Nodes(10, 16, 128 * GIB)))
    assert partitions["dumb"].nodes == (Nodes(2, 4, None),) and partitions["empty"].nodes == ()


def test_a_plus_means_that_much_at_least_and_one_number_of_nodes_is_both_limits():
    [one] = parse_partitions("a|a|n/a|4|UNLIMITED|14|64+|257000+\n").values()
    assert one == Partition("a", False, math.inf, 4, math.inf, (Nodes(14, 64, 257_000 * MIB),))


@pytest.mark.parametrize(
    "line",
    ["main", "a|a|infinite|1-2|UNLIMITED|2|8", "a|a|soon|1|1|1|1|1", "a|a|1:00|1|1|some|1|1", "a|a|1:00|1|1|1|1|1|1", "CLUSTER: a"],
)
def test_what_cannot_be_read_is_quoted(line):
    with pytest.raises(UserError) as refusal:
        parse_partitions(SINFO + line)
    assert str(refusal.value) == f"what sinfo tells of the cluster cannot be read: {line!r}, expected {FORMAT}"


def test_empty_lines_tell_nothing():
    assert parse_partitions("\n\n") == {} and len(parse_partitions(f"\n{SINFO}\n")) == 5


def test_a_partition_is_known_by_its_name_and_the_default_by_its_star(partitions):
    assert [one.name for one in named(partitions, None)] == ["main"]
    assert [one.name for one in named(partitions, "dumb,big")] == ["dumb", "big"]
    for name in ("nope", "main,nope"):
        with pytest.raises(UserError, match="^there is no partition 'nope'; the partitions are: main, big, mixed, dumb, empty$"):
            named(partitions, name)
    with pytest.raises(UserError, match="no default partition; pass --partition: the partitions are: big$"):
        named({"big": partitions["big"]}, None)
    assert longest_time(named(partitions, "dumb,big")) == 131_400 and longest_time([]) == math.inf
    assert tells_memory(named(partitions, "main,big")) and not tells_memory(named(partitions, "main,dumb")) and tells_memory([])


def memory_of(tasks):
    return tasks * 10 * GIB


def request(nodes, tasks, cores=1, gib=None, seconds=None):
    return Request(nodes, tasks, cores, None if gib is None else gib * GIB, seconds)


@pytest.mark.parametrize(
    ("partition", "asked"),
    [
        ("main", request(2, 8, 1, 64, 1e9)),
        ("main", request(2, 2, 4)),
        ("mixed", request(3, 6, 1, 128, 5400)),
        ("mixed", request(3, 3, 2, 65)),
        ("dumb", request(2, 4, 1, 5000)),
        ("dumb,big", request(1000, 1000, 2, 1024)),
    ],
)
def test_what_fits_is_let_through(partitions, partition, asked):
    fitting(partitions, named(partitions, partition), asked, memory_of)


@pytest.mark.parametrize(
    ("partition", "asked", "words"),
    [
        (
            "main",
            request(1, 9),
            "but a job of the partition main may have 8 at most; pass smaller ones and more --nodes",
        ),
        ("main", request(1, 3, 3), "is 9 cores a node, but a job of the partition main may have 8 at most"),
        ("mixed", request(1, 7), "is 7 cores a node, but a job of the partition mixed may have 6 at most"),
        ("empty", request(2, 1), "is 1 core a node, but a job of the partition empty may have 0 at most"),
        (
            "main",
            request(1, 8, 1, 80),
            "85.9 GB for 8 tasks, but the largest node of the partition main with 8 cores has 68.7 GB",
        ),
        (
            "main",
            request(1, 8, 1, 80),
            "would fit: 6 tasks a node and more nodes, or fewer features, or what you know to be enough",
        ),
        ("main", request(1, 8, 1, 80), "--sbatch=--mem=SIZE; it fits into the partition big"),
        ("main", request(1, 1, 1, 80), "with 1 core has 68.7 GB; what would fit: fewer features, or what you know"),
        ("main", request(3, 4), "--nodes is 3, but the partition main has 2 nodes with 4 cores each; pass fewer --nodes; it fits into the"),
        ("main", request(3, 4, 1, 2), "--nodes is 3, but the partition main has 2 nodes with 4 cores and 2.1 GB each"),
        ("mixed", request(11, 6, 1, 100), "--nodes is 11, but the partition mixed has 10 nodes with 6 cores and 107.4 GB each"),
        ("mixed", request(4, 1), "--nodes is 4, but a job of the partition mixed may have 3 at most; it fits into the partition big"),
        ("mixed", request(1, 1, seconds=5460), "--time 01:31:00 is above the limit of the partition mixed, 01:30:00; pass a smaller one"),
        ("mixed", request(1, 1, seconds=5460), "goes on from its checkpoint; it fits into the partitions main, big"),
        ("dumb,mixed", request(1, 8, seconds=1e9), "is 8 cores a node, but a job of the partition dumb may have 4 at most"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(partitions, partition, asked, words):
    with pytest.raises(UserError) as refusal:
        fitting(partitions, named(partitions, partition), asked, memory_of)
    assert words in str(refusal.value)


def test_what_fits_nowhere_is_not_sent_elsewhere(partitions):
    with pytest.raises(UserError) as refusal:
        fitting(partitions, named(partitions, None), request(5000, 1), memory_of)
    assert str(refusal.value) == "--nodes is 5000, but the partition main has 2 nodes with 1 core each; pass fewer --nodes"


def test_as_many_tasks_as_are_advised_do_fit(partitions):
    with pytest.raises(UserError, match="what would fit: 6 tasks a node"):
        fitting(partitions, named(partitions, None), request(1, 8, 1, 80), memory_of)
    fitting(partitions, named(partitions, None), Request(1, 6, 1, memory_of(6)), memory_of)
