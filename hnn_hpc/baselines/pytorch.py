"""PyTorch, imported where it is used and nowhere else: it is optional, and takes seconds to start."""

from contextlib import contextmanager

from hnn_hpc.errors import UserError


def import_torch():
    """Return the module torch; `UserError` where it is not installed."""
    try:
        import torch
    except ImportError as error:
        raise UserError(f"the baseline needs PyTorch ({error}): pip install 'hnn-hpc[baseline]'") from None
    return torch


@contextmanager
def torch_threads(torch, threads):
    """Let PyTorch use so many threads within the block, and as many as before after it."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
