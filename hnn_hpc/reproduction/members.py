"""What is to be run: every case with every sampler, width and seed, and how the work is shared."""

from dataclasses import dataclass
from pathlib import Path

from hnn_hpc.features import SAMPLERS
from hnn_hpc.job import Job, load_job

PUBLISHED, ALL = "published", "all"
WIDTHS = (PUBLISHED, ALL)


@dataclass(frozen=True)
class Member:
    """One fit of a reproduction. `job` writes to a folder of its own, OUTPUT/case/sampler-features/seed-seed, and no checkpoints."""

    case: str
    sampler: str
    features: int
    seed: int
    job: Job

    @property
    def directory(self):
        """The folder of its results (Path)."""
        return self.job.directory

    @property
    def cost(self):
        """About the flops, K M², of its fits: two where the sampler takes the energies from a first one."""
        return self.job.data.samples * self.features**2 * (2 if SAMPLERS[self.sampler].energies_from else 1)

    def __str__(self):
        return f"{self.case}, {self.sampler}, M={self.features}, seed {self.seed}"


def make_members(cases, samplers, seeds, widths, output):
    """Return the members in the order of the table, a list.

    Parameters: cases (Cases), samplers (names), seeds (how many: 0, 1, …), widths: "published" for the widths of the published figures,
    or that of the job file where there are none, "all" for those of the picture besides; output: the folder of all results.
    Errors: `UserError` of the job files.
    """
    return [
        make_member(case, sampler, features, seed, output)
        for case in cases
        for features in case_widths(case, widths)
        for sampler in samplers
        if sampler in case.samplers
        for seed in range(seeds)
    ]


def make_member(case, sampler, features, seed, output):
    """Return one `Member`; `UserError` where the job file and these settings make no job."""
    settings = {"data.seed": seed, "features.seed": seed, "features.count": features, "features.sampler": sampler}
    settings |= {"output.checkpoint_seconds": 0}  # a member is short, and an interrupted reproduction goes on with the next one
    directory = Path(output) / case.name / f"{sampler}-{features}" / f"seed-{seed}"
    job = load_job(case.job, [*case.settings, *(f"{key}={value}" for key, value in settings.items())], directory)
    return Member(case.name, sampler, features, seed, job)


def case_widths(case, widths):
    """Return the numbers of features that a case is computed with, in ascending order."""
    chosen = set(case.published) or {load_job(case.job, case.settings).options.features}
    return sorted(chosen | set(case.widths) if widths == ALL else chosen)


def share(members, index, count):
    """Return the members of share `index` = 1 … count: dealt out from the most expensive on, so that the shares last about as long.

    The shares depend on the members alone, not on what is computed already: all who compute one agree on them.
    """
    return sorted(members, key=lambda member: -member.cost)[index - 1 :: count]
