"""published.toml: what is read from it, what the project's own says, and how mistakes are told."""

from pathlib import Path

import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.features import SAMPLERS
from hnn_hpc.options import FitOptions
from hnn_hpc.reproduction import SAMPLER_COLUMNS, make_members, read_cases
from hnn_hpc.reproduction.cases import Case

PAPER = Path(__file__).parents[2] / "jobs/paper"


def test_cases_are_read_as_they_stand(folder):
    origin, cases = read_cases(folder)
    assert origin == {"source": "a paper", "figures": "means"}
    job = folder / "pendulum.toml"
    published = {20: {"hnn-adam": {"energy_error": 2e-3, "seconds": 90.8}, "elm": {"energy_error": 1.5e-11}}}
    assert cases["wide"] == Case("wide", "the pendulum", job, (), (8, 20), published)
    assert cases["fast"] == Case("fast", "frequency 2", job, ("data.frequency = 2.0",))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('source = "a paper"', "", "the file: source = None: expected a text"),
        ("[cases.wide]", "[systems]\n[cases.wide]", "unknown key 'systems' in the file"),
        ("[cases.wide]", '[cases."../wide"]', r"\[cases.../wide\]: the name becomes that of a folder"),
        ('job = "pendulum.toml"', "", r"\[cases.wide\]: job = None: expected a text"),
        ("widths = [8, 20]", "width = [8]", r"unknown key 'width' in \[cases.wide\]; did you mean 'widths'"),
        ("widths = [8, 20]", "widths = [0]", "widths = 0: expected a whole number of at least 1"),
        ("widths = [8, 20]", "widths = 8", "widths = 8: expected a list"),
        ('set = ["data.frequency = 2.0"]', "set = [2]", r"set = \[2\]: expected a list of texts"),
        ("published.20]", "published.many]", "published = 'many': expected a whole number"),
        ("elm = {", "elms = {", "unknown method 'elms' in .*did you mean 'elm'"),
        ("energy_error = 1.5e-11", "error = 1", "unknown key 'error' in .*published elm"),
        ("energy_error = 1.5e-11", "energy_error = 0", "energy_error = 0: expected a number above 0"),
        ("{ energy_error = 1.5e-11 }", "1.5e-11", "published elm = 1.5e-11: expected a table"),
        ("[cases.wide]", "[cases.wide", "not valid TOML"),
    ],
)
def test_a_mistake_names_file_and_place(folder, old, new, complaint):
    path = folder / "published.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError, match=f"published.toml.*{complaint}"):
        read_cases(folder)


def test_a_folder_without_the_file_is_told_what_is_expected(tmp_path):
    with pytest.raises(UserError, match="published.toml does not exist; give the folder that holds it, such as jobs/paper"):
        read_cases(tmp_path)
    (tmp_path / "published.toml").write_text('source = "s"\nfigures = "f"\n[cases]\n')
    with pytest.raises(UserError, match="it holds no case"):
        read_cases(tmp_path)


def test_the_papers_cases_are_jobs_at_the_published_widths():
    _, cases = read_cases(PAPER)
    members = make_members(cases.values(), SAMPLER_COLUMNS, 1, "all", "somewhere")
    assert {case.job.name for case in cases.values()} | {"published.toml"} == {path.name for path in PAPER.glob("*.toml")}
    for name, case in cases.items():
        jobs = [member.job for member in members if member.case == name]
        assert min(case.published, default=jobs[-1].options.features) in {job.options.features for job in jobs}
        assert all(job.data.samples * job.data.system.dimension >= job.options.features for job in jobs)
    boxes = {name: next(member.job.data.system for member in members if member.case == name) for name in cases}
    assert boxes["pendulum-p1"].box[1].tolist() == [-1, 1] and boxes["lotka-volterra-shifted"].box.tolist() == [[0, 8], [0, 8]]
    assert [boxes[f"henon-heiles-a{tenth:02d}"].alpha for tenth in range(10)] == [tenth / 10 for tenth in range(10)]
    assert cases["double-pendulum"].published[10_000]["elm"] == {"energy_error": 2.52e-3, "seconds": 138}


def test_the_columns_are_samplers_and_end_with_the_default():
    assert set(SAMPLER_COLUMNS) <= set(SAMPLERS)
    assert list(SAMPLER_COLUMNS)[-1] == FitOptions().sampler


@pytest.mark.parametrize("samplers", ['"elm"', "[]", '["adam"]'])
def test_samplers_of_a_case_are_names_of_samplers(folder, samplers):
    file = folder / "published.toml"
    file.write_text(file.read_text() + f"samplers = {samplers}\n")
    with pytest.raises(UserError, match="published.toml: .*samplers"):
        read_cases(folder)
