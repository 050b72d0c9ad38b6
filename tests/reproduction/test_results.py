"""Members are computed once; what is damaged, of another job, or failed is told apart; one that fails does not harm the others."""

import json

import pytest

import hnn_hpc.reproduction.run
from hnn_hpc.errors import Interruption, NotCertifiedError, UserError
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.reproduction import compute, figures_of, is_there, make_members, problem_of, read_cases, remove_results

SERIAL = SerialCommunicator()


@pytest.fixture
def members(folder, tmp_path):
    """Three members of one case, not computed."""
    return make_members([read_cases(folder)[1]["fast"]], ["elm"], 3, "published", tmp_path / "out")


def test_figures_are_those_of_the_result(members):
    compute(members[:1], SERIAL)
    result = json.loads((members[0].directory / "result.json").read_text())
    seconds = result["seconds"]
    assert figures_of(members[0]) == {
        "energy_error": result["test"]["energy_error"],
        "gradient_error": result["test"]["gradient_error"],
        "seconds": seconds["data"] + seconds["sampling"] + seconds["solve"],
    }
    assert result["seeds"] == {"data": 0, "features": 0} and not list(members[0].directory.glob("checkpoint"))
    assert figures_of(members[1]) is None and "nothing is there" in problem_of(members[1])


@pytest.mark.parametrize("damage", ["", "{", "[1]", "null", '{"test": 3}', "\0" * 20, "cut", "no figure", "no seconds"])
def test_a_damaged_result_counts_as_none(members, damage):
    compute(members[:1], SERIAL)
    path = members[0].directory / "result.json"
    whole = path.read_text()
    result = json.loads(whole)
    if damage == "cut":
        damage = whole[: len(whole) // 2]
    elif damage == "no figure":
        damage = json.dumps(result | {"test": result["test"] | {"energy_error": None}})
    elif damage == "no seconds":
        damage = json.dumps({key: value for key, value in result.items() if key != "seconds"})
    path.write_text(damage)
    assert figures_of(members[0]) is None
    assert is_there(members[0]) and problem_of(members[0]) == f"{path} is damaged"
    compute(members[:1], SERIAL)
    assert figures_of(members[0])["energy_error"] == result["test"]["energy_error"]


def test_the_result_of_another_job_is_not_taken_and_not_replaced(members, folder, tmp_path):
    compute(members[:1], SERIAL)
    (folder / "pendulum.toml").write_text((folder / "pendulum.toml").read_text().replace("samples = 60", "samples = 70"))
    other = make_members([read_cases(folder)[1]["fast"]], ["elm"], 1, "published", tmp_path / "out")[0]
    with pytest.raises(UserError, match="result of another job: data.samples is 60 there and 70 here; give another --output, or --force"):
        figures_of(other)
    remove_results([other])
    assert figures_of(other) is None and not any(other.directory.iterdir())


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NotCertifiedError("not\ncertified"), "not certified"),
        (UserError("no such thing"), "no such thing"),
        (MemoryError("too large"), "MemoryError: too large"),
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero"),
    ],
)
def test_a_failure_is_kept_with_its_reason_and_the_others_go_on(members, monkeypatch, error, told):
    run_job = hnn_hpc.reproduction.run.run_job

    def failing(job, *arguments, **options):
        if job == members[1].job:
            raise error
        return run_job(job, *arguments, **options)

    monkeypatch.setattr(hnn_hpc.reproduction.run, "run_job", failing)
    compute(members, SERIAL)
    assert [figures_of(member) is not None for member in members] == [True, False, True]
    assert problem_of(members[1]) == told


def test_an_interruption_says_how_far_it_came(members, monkeypatch):
    run_job = hnn_hpc.reproduction.run.run_job

    def interrupted(job, *arguments, **options):
        if job == members[2].job:
            raise Interruption("interrupted")
        return run_job(job, *arguments, **options)

    monkeypatch.setattr(hnn_hpc.reproduction.run, "run_job", interrupted)
    with pytest.raises(Interruption, match="interrupted; 2 of 3 members are done; the same command") as caught:
        compute(members, SERIAL)
    assert caught.value.resumable and figures_of(members[1]) and not is_there(members[2])
