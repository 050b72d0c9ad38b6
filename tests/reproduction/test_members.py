"""Which fits a reproduction consists of, where each lies, and how they are shared."""

from dataclasses import replace

import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.job import load_job
from hnn_hpc.reproduction import make_members, read_cases, share
from hnn_hpc.reproduction.members import case_widths


@pytest.fixture
def cases(folder):
    return read_cases(folder)[1]


def test_widths_are_the_published_ones_or_the_jobs_and_the_pictures_besides(cases):
    assert case_widths(cases["wide"], "published") == [20] and case_widths(cases["wide"], "all") == [8, 20]
    assert case_widths(cases["fast"], "published") == case_widths(cases["fast"], "all") == [12]


def test_members_cross_cases_widths_samplers_and_seeds(cases, tmp_path):
    members = make_members(cases.values(), ["elm", "swim"], 2, "all", tmp_path)
    assert [(member.case, member.features, member.sampler, member.seed) for member in members] == [
        (case, features, sampler, seed)
        for case, features in (("wide", 8), ("wide", 20), ("fast", 12))
        for sampler in ("elm", "swim")
        for seed in (0, 1)
    ]
    assert len({member.directory for member in members}) == len(members)
    assert str(members[1]) == "wide, elm, M=8, seed 1"


def test_a_member_is_the_job_file_with_its_settings(cases, folder, tmp_path):
    member = make_members([cases["fast"]], ["swim"], 4, "published", tmp_path)[3]
    settings = ["data.frequency=2", "data.seed=3", "features.seed=3", "features.sampler=swim", "output.checkpoint_seconds=0"]
    assert member.job == load_job(folder / "pendulum.toml", settings, tmp_path / "fast" / "swim-12" / "seed-3")
    assert member.directory == tmp_path / "fast" / "swim-12" / "seed-3"


def test_a_setting_that_cannot_be_used_names_the_job_file(folder, tmp_path):
    (folder / "published.toml").write_text((folder / "published.toml").read_text().replace("data.frequency", "data.frequencies"))
    with pytest.raises(UserError, match=r"pendulum.toml: unknown key 'frequencies'"):
        make_members(read_cases(folder)[1].values(), ["elm"], 1, "published", tmp_path)


@pytest.mark.parametrize("count", [1, 2, 5, 11, 12, 40])
def test_shares_hold_every_member_once_and_the_first_ones_of_each_are_the_most_expensive(cases, tmp_path, count):
    members = make_members(cases.values(), ["elm", "approximate-swim"], 2, "all", tmp_path)
    shares = [share(members, index, count) for index in range(1, count + 1)]
    assert sorted(str(member) for one in shares for member in one) == sorted(map(str, members))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    for one in shares:
        assert [member.cost for member in one] == sorted((member.cost for member in one), reverse=True)


def test_two_fits_cost_twice(cases, tmp_path):
    once, twice = make_members([cases["fast"]], ["elm", "approximate-swim"], 1, "published", tmp_path)
    assert (once.cost, twice.cost) == (60 * 12**2, 2 * 60 * 12**2)


def test_a_case_may_be_for_some_samplers_alone(cases, tmp_path):
    case = replace(cases["fast"], samplers=("swim",))
    assert [member.sampler for member in make_members([case, cases["wide"]], ["elm", "swim"], 1, "published", tmp_path)] == [
        "swim",
        "elm",
        "swim",
    ]
