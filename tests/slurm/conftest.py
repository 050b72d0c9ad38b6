"""A SLURM cluster on this machine, up while a module's tests run."""

import pytest
from clusters import User, cluster_of


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The environment of a user of a cluster of two nodes, a dict: see `clusters.cluster_of`."""
    with cluster_of(2, tmp_path_factory.mktemp("cluster")) as environment:
        yield environment


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    """A `User` of a cluster of three nodes."""
    with cluster_of(3, tmp_path_factory.mktemp("cluster")) as environment:
        yield User(environment)
