"""Steps against torch's own optimizer."""

import subprocess
import sys
from itertools import pairwise

import pytest
import torch

from utils.adam import Adam
from utils.paths import ROOT


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adam_is_torch_s(weight_decay):
    random = torch.Generator().manual_seed(0)
    start, target = torch.randn(5, 3, generator=random), torch.randn(5, 3, generator=random)
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    steps = Adam([{"params": [ours], "lr": 0.1}], betas=(0.9, 0.99), weight_decay=weight_decay)
    other = torch.optim.AdamW([theirs], lr=0.1, betas=(0.9, 0.99), weight_decay=weight_decay)
    for step in range(30):
        steps.factor = other.param_groups[0]["lr"] = 0.9**step
        other.param_groups[0]["lr"] *= 0.1
        for optimizer, x in ((steps, ours), (other, theirs)):
            optimizer.zero_grad()
            (x - target).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_groups_have_their_own_steps_and_what_has_no_gradient_stays():
    slow, fast, still = (torch.zeros(1, requires_grad=True) for _ in range(3))
    steps = Adam([{"params": [slow, still], "lr": 0.1}, {"params": [fast], "lr": 1.0}])
    (slow + fast).sum().backward()
    steps.step()
    assert slow.item() == pytest.approx(-0.1) and fast.item() == pytest.approx(-1)
    assert still.item() == 0 and steps.parameters() == [slow, still, fast]


def test_first_steps_are_shorter_with_a_warm_up():
    x = torch.zeros(1, requires_grad=True)
    steps, places = Adam([{"params": [x], "lr": 0.1}], warm_up=4), [0.0]
    for _ in range(6):
        steps.zero_grad()
        x.sum().backward()  # the same gradient each time: steps of the whole length
        steps.step()
        places.append(x.item())
    lengths = [before - after for before, after in pairwise(places)]
    assert lengths == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1, 0.1], rel=1e-5)


def test_no_compiler_is_imported():
    """What takes seconds, and no stage needs."""
    code = (
        "import sys, torch; from utils.adam import Adam; x = torch.zeros(1, requires_grad=True); "
        "s = Adam([{'params': [x], 'lr': 0.1}]); x.sum().backward(); s.step(); "
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
