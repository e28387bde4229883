"""Initial weights: strict loading and fingerprints."""

from pathlib import Path

import pytest
import torch
from torch import nn

from mflab.errors import MflabError
from mflab.model import load_weights, save_weights, weights_fingerprint


def test_saved_weights_come_back_in_half_precision(tmp_path: Path) -> None:
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    path = tmp_path / "w.safetensors"
    fingerprint = save_weights(source.state_dict(), path, {"command": "none"})
    load_weights(target, str(path))
    assert weights_fingerprint(str(path)) == fingerprint
    torch.testing.assert_close(target.weight, source.weight.half().float(), atol=0, rtol=0)
    assert target.weight.dtype == torch.float32


def test_no_weights_leave_the_module_alone() -> None:
    module = nn.Linear(3, 2)
    before = module.weight.detach().clone()
    load_weights(module, "none")
    assert torch.equal(before, module.weight)
    assert weights_fingerprint("none") == "none"


@pytest.mark.parametrize(
    ("module", "message"),
    [(nn.Linear(3, 2, bias=False), "1 differ in .* the first is 'bias'"), (nn.Linear(4, 2), r"weight is \(2, 3\)")],
)
def test_weights_of_another_model_are_refused(tmp_path: Path, module: nn.Module, message: str) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(nn.Linear(3, 2).state_dict(), path, {})
    with pytest.raises(MflabError, match=message):
        load_weights(module, str(path))
