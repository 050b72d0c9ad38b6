"""What the tests of a run's directory say of a run, and its heartbeat, in seconds, in those that do not wait."""

ABOUT = {"ranks": 1, "samples": 100, "dof": 2, "features": 30}
BEAT = 0.05
