"""The poster's loss, by hand."""

import math

import pytest
import torch
from torch.nn import functional

from mb_support.model import total_loss, trajectory_loss

PREDICTED = torch.tensor([[[0.0, 0.0], [1.0, 1.0]], [[2.0, 0.0], [0.0, 0.0]]])
TARGET = torch.tensor([[[3.0, 4.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 1.0]]])


def test_the_norm_sums_over_coordinates_and_averages_over_frames():
    # squared distances 25, 0, 4 and 1
    assert trajectory_loss(PREDICTED, TARGET).item() == 7.5
    assert trajectory_loss(TARGET, TARGET).item() == 0.0


def test_the_loss_is_twice_the_mean_squared_error_of_a_library():
    x, y = torch.randn(2, 4, 9, 2, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(trajectory_loss(x, y), 2 * functional.mse_loss(x, y))


def test_the_total_is_the_weighted_sum():
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])  # probabilities 1/4, 3/4; 1/2, 1/2
    labels = torch.tensor([1, 0])
    cross_entropy = (math.log(4 / 3) + math.log(2)) / 2
    total, trajectory, classification = total_loss(PREDICTED, TARGET, logits, labels, 2.0, 10.0)
    assert trajectory.item() == 7.5
    assert classification.item() == pytest.approx(cross_entropy, rel=1e-6)
    assert total.item() == pytest.approx(15 + 10 * cross_entropy, rel=1e-6)
    assert total_loss(PREDICTED, TARGET, logits, labels)[0].item() == pytest.approx(
        7.5 + cross_entropy, rel=1e-6
    )


@pytest.mark.parametrize(
    ("predicted", "target"),
    [(PREDICTED, TARGET[:, :1]), (PREDICTED, TARGET[..., :1])],
)
def test_frames_of_different_shapes_are_refused(predicted, target):
    with pytest.raises(ValueError, match="predicted and target"):
        trajectory_loss(predicted, target)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 1, 1]), r"int64 of shape \(2,\).*\(3,\)"),
        (torch.tensor([0.0, 1.0]), "int64.*float32"),
        (torch.tensor([0, 2]), r"0\.\.1; got \[0, 2\]"),
        (torch.tensor([-1, 1]), r"0\.\.1; got \[-1, 1\]"),
    ],
)
def test_labels_that_are_no_states_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        total_loss(PREDICTED, TARGET, torch.zeros(2, 2), labels)
