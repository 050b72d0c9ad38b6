"""How the least-squares problems of one fit are solved: what memory they may take, what is kept of them, and what is told before."""

from dataclasses import dataclass
from typing import Any

from hnn_hpc.operators import keep_derivatives
from hnn_hpc.options import FitOptions
from hnn_hpc.peak_memory import available_memory_bytes, peak_memory_bytes, resident_memory_bytes
from hnn_hpc.progress import expect, stage
from hnn_hpc.solvers import NOMINAL, calibrate, solve

KEPT_SHARE = 0.1  # of the seconds between two checkpoints: what a part took longer for is kept when it is done
SHORTEST_CALIBRATED = 5.0  # seconds of one core of nominal speed: a shorter solve is not worth measuring the machine for
SHARE_OF_MEMORY = 0.6  # of what the node has left, that an iterative solver may keep σ' in where no limit is given
SHARE_FOR_SAMPLES = 0.1  # of a rank's memory, for samples that are read many times


@dataclass(frozen=True)
class LeastSquares:
    """Solves the least-squares problems of a fit with these `FitOptions` and this communicator.

    covariance, require_certified, progress: see `solvers.solve`; checkpoint: a `storage.Checkpoint` or None.
    """

    options: FitOptions
    communicator: Any
    covariance: bool = False
    require_certified: bool = True
    progress: Any = None
    checkpoint: Any = None

    def solve(self, operator, plan, name, problem, is_part=False, require_certified=None):
        """Return the `Solution` of one problem. Collective.

        Parameters: operator (RowOperator); plan (Plan); name: of the solve in the checkpoint; problem: what decides the bits of its
        reduction, a dictionary; is_part: whether others follow, so that what took long is kept when it is done; require_certified: in
        place of the fit's.
        """
        kept = None
        if self.checkpoint:
            kept = self.checkpoint.of_solve(name, problem, plan.layout.blocks, self.communicator)
        if plan.keepable_bytes:
            with stage(self.progress, "keep", plan.blocks_of(self.communicator)) as on_leaf:
                operator = keep_derivatives(operator, plan.layout, self.communicator, self._budget(plan), plan.threads, on_leaf)
        return solve(
            operator,
            plan,
            self.communicator,
            self.options.rcond,
            ridge=self.options.ridge,
            covariance=self.covariance,
            require_certified=self.require_certified if require_certified is None else require_certified,
            progress=self.progress,
            checkpoint=kept,
            keep_after=KEPT_SHARE * self.checkpoint.seconds if self.checkpoint and is_part else None,
        )

    def limited(self, plan, threads):
        """Return a plan with at most so many threads, and no more than the memory of a rank allows."""
        return plan.limited_to(threads, self.options.memory_per_rank, self.communicator.size)

    def room_for_samples(self, plans):
        """Return the bytes that samples in memory may take on this rank while these plans are carried out."""
        room = SHARE_FOR_SAMPLES * self._memory()
        if self.options.memory_per_rank:
            room = min(room, self.options.memory_per_rank - max(plan.memory(plan.threads, self.communicator.size) for plan in plans))
        return room

    def predicted(self, plans, derivative):
        """Return {"seconds", "memory_bytes" of the largest rank} that plans take which are carried out one after the other, and tell the
        progress object. Collective. derivative: σ' of the activation, which a long fit measures the machine with.
        """
        seconds, memory = None, 0
        with self.communicator.together():
            if self.communicator.is_root:
                rates = calibrate(derivative) if sum(plan.seconds() for plan in plans) > SHORTEST_CALIBRATED else NOMINAL
                stages = [stage for plan in plans for stage in plan.expected(self.communicator.size, rates)]
                seconds = sum(of_stage for _, of_stage in stages)
                expect(self.progress, stages)
            for plan in plans:
                needed = plan.memory(plan.threads, self.communicator.size)
                if plan.keepable_bytes:
                    needed += min(self._budget(plan), plan.keepable_bytes // self.communicator.size)
                memory = max(memory, peak_memory_bytes(), resident_memory_bytes() + needed)
        return {"seconds": self.communicator.broadcast(seconds), "memory_bytes": max(self.communicator.all_gather(memory))}

    def _memory(self):
        """Return the bytes that this rank may use, or those that are left for it on its node."""
        return self.options.memory_per_rank or available_memory_bytes() / self.communicator.node_cores[1]

    def _budget(self, plan):
        """Return the bytes that this rank may keep of σ'."""
        if self.options.memory_per_rank:
            room = (1 if self.options.is_dense else 1 - SHARE_FOR_SAMPLES) * self.options.memory_per_rank
            return max(0, int(room - plan.memory(plan.threads, self.communicator.size)))
        return int(SHARE_OF_MEMORY * self._memory())
