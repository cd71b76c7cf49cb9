import pytest
import torch

from embryofrag.training import threads
from embryofrag.training.threads import leave_cpus


@pytest.mark.parametrize(
    ("cpus", "before", "workers", "inside"), [(8, 8, 2, 6), (2, 2, 1, 1), (2, 2, 5, 1), (8, 1, 2, 1)]
)
def test_the_network_computes_on_what_the_readers_leave(monkeypatch, cpus, before, workers, inside):
    monkeypatch.setattr(threads, "num_cpus", lambda: cpus)
    usual = torch.get_num_threads()
    torch.set_num_threads(before)
    try:
        with leave_cpus(workers):
            assert torch.get_num_threads() == inside
        assert torch.get_num_threads() == before
    finally:
        torch.set_num_threads(usual)
