"""Ranks, threads and the fixed tree that makes their number irrelevant to the answer.

- `layout`: which rows belong to which global block, rank and tree node (pure arithmetic).
- `communicator`: one rank or many behind the same few methods.
- `dask_rows`: a communicator whose passes over the samples are tasks of dask; `dask_work`: what these do; `dask_client`: who computes them;
  `chunks`: which of dask's chunks a block is made of.
- `threads`: how many threads a rank may use; BLAS itself is held to one. `heap` keeps a worker of dask from giving back memory at once.
- `checkpoint`: what a solve asks of its checkpoint, which `hnn_hpc.storage` keeps.
- `tree`: the reduction of one value a block to one value in all, bitwise the same on any number of ranks and threads.
"""
