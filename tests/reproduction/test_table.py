"""The table is a function of the members' figures and of what is published."""

import pytest

from hnn_hpc.reproduction import make_members, markdown, read_cases, table_rows


@pytest.fixture
def cases(folder):
    return read_cases(folder)[1]


def figures(energy_error, seconds=1.0):
    return {"energy_error": energy_error, "gradient_error": 10 * energy_error, "seconds": seconds}


def test_rows_hold_what_is_published_beside_mean_least_and_most_of_the_seeds(cases):
    members = make_members([cases["wide"]], ["elm", "swim"], 3, "published", "out")
    adam, elm, swim = table_rows(cases, members, [figures(1e-3, 1), figures(2e-3, 7), figures(6e-3, 2), figures(4e-4), None, None])
    about = {"case": "wide", "title": "the pendulum", "samples": 60, "features": 20}
    nothing = {"energy_error": None, "gradient_error": None, "seconds": None}
    assert adam == {**about, "method": "hnn-adam", "published": {"energy_error": 2e-3, "seconds": 90.8}, "members": 0, "runs": 0, **nothing}
    assert elm["published"] == {"energy_error": 1.5e-11} and elm["seconds"] == 2 and (elm["members"], elm["runs"]) == (3, 3)
    assert elm["energy_error"] == pytest.approx({"mean": 3e-3, "min": 1e-3, "max": 6e-3}, rel=1e-15)
    assert elm["gradient_error"] == pytest.approx({"mean": 3e-2, "min": 1e-2, "max": 6e-2}, rel=1e-15)
    assert swim["published"] is None and (swim["members"], swim["runs"]) == (3, 1) and swim["energy_error"]["max"] == 4e-4


def test_the_markdown_shows_every_figure_and_a_dash_where_there_is_none(cases):
    members = make_members(cases.values(), ["elm", "anchored"], 2, "published", "out")
    found = [figures(1e-11, 0.25), figures(3e-11, 0.75), None, None, figures(1.0, 120), figures(1.0, 120), figures(2.0), None]
    text = markdown(table_rows(cases, members, found), {"source": "a paper", "figures": "means"}, [("fast, anchored", "no | memory")])
    assert text.splitlines() == [
        "Published: a paper; means.",
        "Relative L2 errors of H and ∇H on the test points: mean, smallest and largest over the seeds; "
        "s: median seconds of training (data, sampling and solve).",
        "",
        "| case | K | M | method | H published | H mean | H min … max | ∇H mean | ∇H min … max | s published | s | runs |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        "| the pendulum | 60 | 20 | HNN, Adam | 2.00e-03 | – | – | – | – | 90.8 | – |  |",
        "|  |  |  | ELM | 1.50e-11 | 2.00e-11 | 1.00e-11 … 3.00e-11 | 2.00e-10 | 1.00e-10 … 3.00e-10 | – | 0.50 | 2 |",
        "|  |  |  | auto | – | – | – | – | – | – | – | 0 of 2 |",
        "| frequency 2 | 60 | 12 | ELM | – | 1.00e+00 | 1.00e+00 … 1.00e+00 | 1.00e+01 | 1.00e+01 … 1.00e+01 | – | 120 | 2 |",
        "|  |  |  | auto | – | 2.00e+00 | 2.00e+00 … 2.00e+00 | 2.00e+01 | 2.00e+01 … 2.00e+01 | – | 1.0 | 1 of 2 |",
        "",
        "Without a result:",
        "",
        "- fast, anchored: no | memory",
    ]


def test_a_bar_in_a_title_does_not_end_its_cell(cases, folder):
    (folder / "published.toml").write_text((folder / "published.toml").read_text().replace("frequency 2", "|p| < 1"))
    cases = read_cases(folder)[1]
    rows = table_rows(cases, make_members([cases["fast"]], ["elm"], 1, "published", "out"), [None])
    assert "| \\|p\\| < 1 | 60 | 12 | ELM |" in markdown(rows, {"source": "s", "figures": "f"}, [])
