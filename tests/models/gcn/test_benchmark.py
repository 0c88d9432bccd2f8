import pytest
import torch

from models.gcn.benchmark import Fits, Outcome, compare_starts, main, report
from models.gcn.samples import Faults
from models.gcn.weights import load_network
from models.hand import load_hand_model
from utils.stage.config import load_config


def test_steps_are_counted_to_the_objective():
    fit = Outcome([9.0, 5.0, 3.0, 2.9], 1.0)
    assert [fit.steps_to(goal) for goal in (9.0, 4.0, 2.9)] == [0, 2, 3]
    assert fit.steps_to(1.0) == float("inf")


def test_a_line_says_what_counts():
    trios = [(Outcome([4.0, 2.0, 1.0], 12.0), Outcome([1.5, 1.0], 3.0), Outcome([1.0], 2.0))] * 3
    line = report(trios)
    assert "steps 2 -> 1 (ratio 0.50, reached by 100 %)" in line
    assert "error 12.00 -> 3.00, --optim 2.00 mm; failed 3 -> 0, --optim 0 of 3" in line


def test_the_networks_start_is_nearer():
    model = load_hand_model("right", "open")
    precise = load_hand_model("right", "open", dtype=torch.float64)
    fits = Fits(precise, load_network(model), load_config().mano_optim)
    for scratch, network, optim in compare_starts(fits, model, ["fist"], Faults(), 2):
        goal = min(scratch.costs)
        assert 3 * network.steps_to(goal) <= scratch.steps_to(goal)
        assert network.costs[-1] == pytest.approx(scratch.costs[-1], rel=0.02)
        assert optim.error < scratch.error  # the prior about the mean pose opens fists


def test_missing_weights_are_an_error(capsys, tmp_path):
    assert main(["--weights", str(tmp_path / "w.pt"), "--hand_model", "open"]) == 2
    assert "w.pt is missing" in capsys.readouterr().err
