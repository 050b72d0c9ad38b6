"""The table: what is published beside what was computed, over the seeds."""

from collections import defaultdict
from statistics import fmean, median

from hnn_hpc.reproduction.cases import BASELINE, COLUMNS

HEADER = ("case", "K", "M", "method", "H published", "H mean", "H min … max", "∇H mean", "∇H min … max", "s published", "s", "runs")
NOTE = (
    "Relative L2 errors of H and ∇H on the test points: mean, smallest and largest over the seeds; "
    "s: median seconds of training (data, sampling and solve)."
)


def table_rows(cases, members, figures):
    """Return the rows of the table, a list of dicts: for every case and width what is published, and every sampler that was asked for.

    Parameters: cases, {name: Case}; members (list of Member) in the order of the table; figures (list), for each member a dict
    (see `results.figures_of`) or None. A row holds
        case, title, samples, features, method
        published                        {"energy_error", "seconds"}, as far as published, or None
        members, runs                    how many fits were asked for, and how many of them have figures
        energy_error, gradient_error     {"mean", "min", "max"}, or None without any figures
        seconds                          the median, or None
    """
    groups, samples = defaultdict(lambda: defaultdict(list)), {}
    for member, figure in zip(members, figures, strict=True):
        groups[member.case, member.features][member.sampler].append(figure)
        samples[member.case] = member.job.data.samples
    rows = []
    for (name, features), by_sampler in groups.items():
        case, published = cases[name], cases[name].published.get(features, {})
        for method in (*((BASELINE,) if BASELINE in published else ()), *by_sampler):
            about = {"case": name, "title": case.title, "samples": samples[name], "features": features, "method": method}
            rows.append({**about, "published": published.get(method), **_summary(by_sampler.get(method, []))})
    return rows


def _summary(figures):
    there = [figure for figure in figures if figure]
    summary = {"members": len(figures), "runs": len(there)}
    for name in ("energy_error", "gradient_error"):
        values = [figure[name] for figure in there]
        summary[name] = {"mean": fmean(values), "min": min(values), "max": max(values)} if values else None
    return summary | {"seconds": median(figure["seconds"] for figure in there) if there else None}


def markdown(rows, origin, failed):
    """Return the table in Markdown, with where the published figures come from and the members that failed.

    Parameters: rows (see `table_rows`); origin: {"source", "figures"} of the published figures; failed: (member, problem) pairs of texts.
    """
    lines = [f"Published: {origin['source']}; {origin['figures']}.", NOTE, "", _line(HEADER), _line(["---"] * len(HEADER))]
    above = None
    for row in rows:
        group = (row["title"], _spaced(row["samples"]), _spaced(row["features"]))
        lines.append(_line([*(group if group != above else ("", "", "")), *_cells(row)]))
        above = group
    if failed:
        lines += ["", "Without a result:", "", *(f"- {member}: {problem}" for member, problem in failed)]
    return "\n".join(lines)


def _cells(row):
    published, ours = row["published"] or {}, row["members"] > 0
    runs = ("" if not ours else row["runs"] if row["runs"] == row["members"] else f"{row['runs']} of {row['members']}",)
    errors = [cell for name in ("energy_error", "gradient_error") for cell in _spread(row[name])]
    seconds = _seconds(published.get("seconds")), _seconds(row["seconds"])
    return (COLUMNS[row["method"]], _error(published.get("energy_error")), *errors, *seconds, *runs)


def _spread(values):
    return (_error(values["mean"]), f"{_error(values['min'])} … {_error(values['max'])}") if values else ("–", "–")


def _error(value):
    return "–" if value is None else f"{value:.2e}"


def _seconds(value):
    return "–" if value is None else f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _spaced(number):
    return f"{number:_}".replace("_", " ")


def _line(cells):
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"
