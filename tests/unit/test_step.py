"""Every network's gradients, and whole trainings, against autograd in double precision."""

from dataclasses import replace

import pytest
import torch
from made_up import NETWORKS
from reference import float64_module, objective, train_in_float64
from trainings import network, train_replicate

from fashionbench.data.examples import Examples
from fashionbench.networks.declared import restore
from fashionbench.networks.forward import autocast, pixels_to_inputs
from fashionbench.params import Hyperparameters, LossInput, Network, Params, Precision
from fashionbench.portable.step import Vectors, forward_pass, training_step
from fashionbench.training.epoch import Replicate, initial_state
from fashionbench.training.losses import add_penalty, loss_gradient

EVERYTHING = network(
    conv_filters=(3, 4),
    pool=True,
    conv_dropout=0.2,
    hidden_sizes=(8,),
    batch_norm=True,
    dropout_prob=0.3,
    l1_strength=0.01,
    l2_strength=0.01,
)


def largest_gradient_errors(
    declared: Network,
    hyperparameters: Hyperparameters,
    examples: Examples,
    precision: Precision = "float32",
) -> dict[str, float]:
    """By parameter, the largest error in units of the largest gradient in that layer.

    The bias before a batch normalisation has no gradient at all, but for rounding.
    """
    state = initial_state(Replicate(network=declared, hyperparameters=hyperparameters, seed=0))
    inputs, labels = pixels_to_inputs(examples.images), examples.labels
    exact = float64_module(declared, state, torch.Generator().manual_seed(1))
    objective(exact, declared, inputs.double(), labels, hyperparameters.loss_input).backward()

    random = torch.Generator()
    module = restore(declared, state, "cpu", random)
    vectors = Vectors(module)
    with torch.inference_mode(), autocast("cpu", precision):
        targets = torch.eye(10)[labels]
        step = training_step(
            module,
            inputs,
            targets,
            lambda logits, wanted: loss_gradient(logits, wanted, hyperparameters.loss_input),
            vectors,
            random.manual_seed(1),
        )
        step.inputs.copy_(inputs)
        step.targets.copy_(targets)
        step()
        strengths = declared.l1_strength, declared.l2_strength
        add_penalty(vectors.gradients, vectors.parameters, *strengths)
    errors: dict[str, float] = {}
    of_layer: dict[str, float] = {}
    for name, wanted in exact.named_parameters():
        assert wanted.grad is not None
        layer = name.split(".")[0]
        of_layer[layer] = max(of_layer.get(layer, 0.0), wanted.grad.abs().max().item())
        error = vectors.gradients_by_name[name] - wanted.grad
        errors[name] = error.abs().max().item() / of_layer[layer]
    return errors


@pytest.mark.parametrize("loss_input", ["probabilities", "logits"])
@pytest.mark.parametrize("name", [*NETWORKS, "everything"])
def test_gradients_are_autograds(
    params: Params, train_examples: Examples, name: str, loss_input: LossInput
) -> None:
    declared = EVERYTHING if name == "everything" else params.network(name)
    hyperparameters = replace(params.hyperparameters, loss_input=loss_input)
    batch = Examples(train_examples.images[:64], train_examples.labels[:64])
    errors = largest_gradient_errors(declared, hyperparameters, batch)
    # Batch normalisation of convolutions subtracts nearly equal numbers.
    assert max(errors.values()) < (1e-4 if name == "everything" else 1e-5), errors


def test_gradients_in_bfloat16_are_those_of_rounded_arithmetic(
    hyperparameters: Hyperparameters, train_examples: Examples
) -> None:
    declared = network(conv_filters=(4,), batch_norm=True)
    errors = largest_gradient_errors(declared, hyperparameters, train_examples, "bfloat16")
    # bfloat16 keeps eight binary digits.
    assert 1e-4 < max(errors["1.weight"], errors["5.weight"]) < 0.1, errors


def test_the_module_is_the_network_as_trained_so_far(
    hyperparameters: Hyperparameters, train_examples: Examples
) -> None:
    declared = network(conv_filters=(2,))
    state = initial_state(Replicate(network=declared, hyperparameters=hyperparameters, seed=0))
    module = restore(declared, state, "cpu")
    vectors = Vectors(module)
    inputs = pixels_to_inputs(train_examples.images)
    with torch.inference_mode():
        forward = forward_pass(module, inputs)
        forward.inputs.copy_(inputs)
        vectors.parameters.mul_(2)
        torch.testing.assert_close(forward(), module(inputs))


@pytest.mark.parametrize("name", NETWORKS)
def test_trainings_agree_with_the_straightforward_loop(
    params: Params, train_examples: Examples, test_examples: Examples, name: str
) -> None:
    declared = params.network(name)
    # Convolutions in double precision take their time.
    epochs, images = (2, 192) if declared.conv_filters else (4, 400)
    hyperparameters = replace(params.hyperparameters, num_epochs=epochs)
    train = Examples(train_examples.images[:images], train_examples.labels[:images])
    for seed in (0,) if declared.conv_filters else (0, 1):
        replicate = Replicate(network=declared, hyperparameters=hyperparameters, seed=seed)
        accuracy, module = train_in_float64(replicate, train, test_examples)
        curves, state = train_replicate(replicate, train, test_examples)
        # One image of a hundred may fall on the other side.
        assert curves[-1].val_accuracy == pytest.approx(accuracy, abs=0.0101)
        wanted = torch.cat([parameter.flatten() for parameter in module.parameters()])
        found = torch.cat([state[name].flatten() for name, _ in module.named_parameters()])
        # Adam makes whole steps of gradients that are nothing but rounding, as L1's around 0.
        largest = 0.05 if declared.l1_strength else 0.005
        assert (found - wanted).norm() < largest * wanted.norm()
