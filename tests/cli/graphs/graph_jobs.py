"""The jobs of the tests of commands on graphs, and where their models are."""

JOB = """
[graph]
system = "springs-morse"
sizes = [3, 2]
graphs = 40
test_sizes = [4, 4]
test_graphs = 4
displacement = 0.2
[features]
count = 16
"""
FLUID_JOB = """
[graph]
system = "lennard-jones"
cutoff = 1.6
geometry = "fluid"
count = 40
dimension = 2
density = 0.6
graphs = 4
temperature = 1.0
time_step = 0.004
burn_in = 50
interval = 10
[features]
count = 32
"""
FILE_JOB = '[graph]\nfile = "train.h5"\ntest_file = "test.h5"\n[features]\ncount = 16\n'
SPRINGS = ["springs-morse", "--set", "displacement=0.2"]
LIQUID = ["lennard-jones", "--set", "geometry=fluid", "--set", "dimension=2", "--set", "density=0.6", "--set", "cutoff=1.6"]
LIQUID += ["--set", "temperature=1", "--set", "burn_in=50", "--set", "time_step=0.004"]
MODEL, LIQUID_MODEL = "results/job/model.h5", "results/fluid/model.h5"
