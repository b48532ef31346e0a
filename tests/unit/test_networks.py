"""Networks: their sizes, their layers, and that evaluation mode really is one."""

import pytest
import torch
from torch import nn
from trainings import network, parameters_of

from fashionbench.data.examples import Examples
from fashionbench.networks.declared import Dropout, build
from fashionbench.networks.forward import infer, pixels_to_inputs
from fashionbench.params import Params


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("n1_mlp", 101_770),
        ("n2_mlp", 109_386),
        ("n3_mlp", 476_490),
        ("n4_dropout", 109_386),
        ("n5_batch_norm", 109_770),
        ("n6_l1", 109_386),
        ("n7_l2", 109_386),
        ("n8_conv", 3_229_866),
    ],
)
def test_the_reports_networks_have_their_parameters(
    params: Params, name: str, parameters: int
) -> None:
    assert parameters_of(build(params.network(name))) == parameters


def test_layers_come_in_the_order_that_is_documented() -> None:
    declared = network(
        conv_filters=(2,),
        pool=True,
        conv_dropout=0.25,
        hidden_sizes=(3,),
        batch_norm=True,
        dropout_prob=0.5,
    )
    assert [type(layer).__name__ for layer in build(declared)] == [
        *("ChannelsFirst", "Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"),
        *("ChannelsLastFlatten", "Dropout", "Linear", "BatchNorm1d", "ReLU", "Dropout", "Linear"),
    ]


def test_pooling_halves_the_image() -> None:
    declared = network(conv_filters=(2, 3), pool=True, hidden_sizes=())
    assert build(declared)(torch.rand(2, 28, 28)).shape == (2, 10)
    convolutions = 2 * (9 + 1) + 3 * (9 * 2 + 1)
    assert parameters_of(build(declared)) == convolutions + 10 * (3 * 7 * 7 + 1)


def test_glorots_initialisation_is_kerass() -> None:
    hidden, _ = (
        layer for layer in build(network(), "glorot").modules() if isinstance(layer, nn.Linear)
    )
    bound = (6 / (784 + 16)) ** 0.5
    assert 0.99 * bound < hidden.weight.abs().max() <= bound
    assert not hidden.bias.any()


def test_a_convolution_sees_the_image_as_it_lies() -> None:
    declared = network(conv_filters=(1,))
    module = build(declared)
    convolution = module[1]
    assert isinstance(convolution, nn.Conv2d)
    with torch.no_grad():
        convolution.weight.zero_()
        convolution.weight[0, 0, 1, 2] = 1  # Takes the right-hand neighbour of every pixel.
        assert convolution.bias is not None
        convolution.bias.zero_()
    images = torch.rand(2, 28, 28)
    shifted = module[:2](images)[:, 0]
    assert torch.equal(shifted[:, :, :-1], images[:, :, 1:])
    assert not shifted[:, :, -1].any()


def test_dropout_scales_what_it_keeps_and_owns_its_randomness() -> None:
    ones = torch.ones(1000, 100)
    dropout = Dropout(0.25, torch.Generator().manual_seed(1))
    state = torch.random.get_rng_state()
    dropped = dropout(ones)
    assert torch.equal(state, torch.random.get_rng_state())
    torch.testing.assert_close(dropped.unique(), torch.tensor([0, 1 / 0.75]))
    assert dropped.mean().item() == pytest.approx(1, abs=0.02)
    again = Dropout(0.25, torch.Generator().manual_seed(1))(ones)
    assert torch.equal(dropped, again)


def test_dropout_is_off_in_evaluation(test_examples: Examples) -> None:
    module = build(network(dropout_prob=0.5))
    inputs = pixels_to_inputs(test_examples.images)
    assert torch.equal(infer(module, test_examples.images), infer(module, test_examples.images))
    assert module.training
    assert not torch.equal(module(inputs), module(inputs))


def test_batch_norm_uses_running_statistics_in_evaluation(test_examples: Examples) -> None:
    module = build(network(batch_norm=True))
    inputs = pixels_to_inputs(test_examples.images)
    normalisation = module[2]
    assert isinstance(normalisation, nn.BatchNorm1d)
    module(inputs)
    before = normalisation.state_dict()["running_mean"].clone()
    alone = infer(module, test_examples.images[:1])
    together = infer(module, test_examples.images)
    torch.testing.assert_close(alone, together[:1])
    assert torch.equal(normalisation.state_dict()["running_mean"], before)
    module(inputs)
    assert not torch.equal(normalisation.state_dict()["running_mean"], before)


def test_inference_does_not_depend_on_the_batch(test_examples: Examples) -> None:
    module = build(network(conv_filters=(2,)))
    with torch.no_grad():
        expected = module(pixels_to_inputs(test_examples.images))
    torch.testing.assert_close(infer(module, test_examples.images), expected)


def test_inputs_are_pixels_over_255() -> None:
    inputs = pixels_to_inputs(torch.tensor([0, 51, 255], dtype=torch.uint8))
    assert inputs.tolist() == [0, pytest.approx(0.2), 1]
