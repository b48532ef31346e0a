"""Modules of the user's own: what is refused, and that all others are trained repeatably."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from repositories import PROJECT
from safetensors.torch import save
from torch import Tensor, nn
from trainings import network, train_replicate

from fashionbench.data.examples import Examples
from fashionbench.errors import ConfigError
from fashionbench.evaluation.weights import filters, strongest_filters, weight_statistics
from fashionbench.networks import own
from fashionbench.networks.declared import build, restore
from fashionbench.networks.forward import infer, pixels_to_inputs
from fashionbench.networks.inspection import inspect_module
from fashionbench.params import Activation, Hyperparameters, Network
from fashionbench.portable.step import Vectors, training_step
from fashionbench.training.costs import count
from fashionbench.training.epoch import Replicate, initial_state, train_epoch, weights
from fashionbench.training.losses import loss_gradient
from fashionbench.workers.chunks import Chunk, run_chunk

IMPORTS = "import numpy as np\nimport torch\nfrom torch import nn\n"
NETWORK = """
class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.first = nn.Linear(784, width)
        self.last = nn.Linear(width, 10)
        {init}

    def forward(self, images):
        x = self.first(images.flatten(1))
        {forward}
        return self.last(x)
"""
Declare = Callable[..., Network]


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declare:
    """Write ``networks/net.py`` in a project of its own, and declare a network of it."""
    monkeypatch.chdir(tmp_path)

    def write(
        init: str = "pass",
        forward: str = "pass",
        *,
        text: str = "",
        arguments: str = "{}",
        module: str = "networks/net.py:Net",
    ) -> Network:
        file = Path(module.partition(":")[0])
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = NETWORK.format(init=init, forward=forward)
        file.write_text(IMPORTS + (text or lines), encoding="utf-8")
        return network(name="n9", hidden_sizes=(), module=module, arguments=arguments)

    return write


def inspect(declared: Network, *sizes: int) -> None:
    """Inspect a network as the stage check does."""
    inspect_module(declared, sizes or (4,))


def refusal(declared: Network, *sizes: int) -> str:
    """Return why the module of a network is refused, which has to be one line."""
    with pytest.raises(ConfigError) as caught:
        inspect(declared, *sizes)
    begin = f"networks.n9.module = '{declared.module}': "
    message = str(caught.value)
    assert message.startswith(begin)
    assert "\n" not in message
    return message.removeprefix(begin)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise OSError('no\\nroom')", "raises OSError: no when it is imported"),
        ("def Net(:", "networks/net.py, line 4, is no Python"),
        ("class Other: pass", "has no class or function Net; there are Other"),
        ("Net = 3", "has no class or function Net; there are none"),
        ("def Net(): raise KeyError", "raises KeyError"),
        ("def Net(): return 3", "makes a int and no torch.nn.Module"),
        ("def Net(): return nn.Flatten()", "makes a module without parameters to train"),
        (
            "def Net(): return nn.Linear(784, 10).requires_grad_(False)",
            "makes a module without parameters to train",
        ),
        (
            "def Net(): return nn.LazyLinear(10)",
            "leaves the shape of weight open; give its size",
        ),
        (
            "def Net(): return nn.Linear(784, 10).double()",
            "has weight of torch.float64; make it torch.float32",
        ),
        ("raise SystemExit(0)", "ends Python when it is imported or made"),
        ("def Net(): raise SystemExit(0)", "ends Python when it is imported or made"),
        (
            "NET = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))\ndef Net(): return NET",
            "is one and the same module whenever it is made; make a new one",
        ),
        (
            "DRAWN = torch.rand(3)\n"
            "def Net(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))",
            "has another 1.weight when it is made again with the same seed: draw it from torch's "
            "random numbers, and none of them when the file is imported",
        ),
        ("def Net(width): pass", "cannot be called with arguments = {} (missing a required "
         "argument: 'width')"),
        (
            "def Net(): return nn.Linear(28, 10)",
            "returns (4, 1, 28, 10) for 4 images instead of logits of shape (4, 10)",
        ),
        (
            "def Net(): return nn.Linear(9, 10)",
            "raises RuntimeError: mat1 and mat2 shapes cannot be multiplied (112x28 and 9x10) in "
            "training for images of shape (4, 1, 28, 28)",
        ),
        (
            "import tools.write_docs\nclass Net: pass",
            "networks/net.py imports tools.write_docs from outside of networks/, the folder whose "
            "changes make DVC train it again; move what it needs there",
        ),
        (
            "from fashionbench.networks.declared import Dropout\nclass Net: pass",
            "networks/net.py imports fashionbench.networks.declared from outside of networks/, the "
            "folder whose changes make DVC train it again; move what it needs there",
        ),
        (
            "from blocks import Block\nclass Net: pass",
            "networks/net.py imports blocks; write: from networks import blocks",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_module_is_refused(declare: Declare, text: str, message: str) -> None:
    declared = declare(text=text)
    Path("tools").mkdir()
    Path("tools/write_docs.py").touch()
    Path("networks/blocks.py").touch()
    assert refusal(declared) == message


def test_other_arguments_are_refused(declare: Declare) -> None:
    found = refusal(declare(arguments='{"depth": 3}'))
    assert found == (
        "cannot be called with arguments = {'depth': 3} (got an unexpected keyword argument "
        "'depth')"
    )
    dropout = refusal(replace(declare(), dropout_prob=0.5))
    assert dropout.endswith("(got an unexpected keyword argument 'dropout')")


def test_a_missing_file_is_refused(
    declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = declare()
    missing = replace(declared, module="networks/n9.py:Net")
    assert refusal(missing) == (
        f"networks/n9.py does not exist in {tmp_path}; there are networks/net.py"
    )
    # In the folder that DVC makes for dvc exp run --temp.
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    copy = tmp_path / "copy"
    copy.mkdir()
    monkeypatch.chdir(copy)
    assert refusal(declared) == (
        "networks/net.py is not in this copy of the project: DVC copies only files that git "
        "knows; git add networks/net.py and run the experiment again"
    )


@pytest.mark.parametrize(
    ("init", "forward", "message"),
    [
        ("pass", "x = x / 0", "returns logits that are not finite numbers"),
        ("pass", "return list(x)", "returns a list for 4 images instead of logits of shape (4, "
         "10)"),
        ("pass", "return self.last(x).double()", "returns logits of torch.float64; make them "
         "torch.float32"),
        ("pass", "x = x[self.training:]", "returns (3, 10) for 4 images instead of logits of "
         "shape (4, 10)"),
        ("pass", "return self.last(x).detach()", "returns logits that depend on no parameter that "
         "can be trained"),
        ("pass", "x = torch.linalg.no(x)", "raises AttributeError: module 'torch.linalg' has no "
         "attribute 'no' in training for images of shape (4, 1, 28, 28)"),
        ("pass", "if not self.training: raise ValueError('no')", "raises ValueError: no in "
         "evaluation for images of shape (4, 1, 28, 28)"),
        ("pass", "x = x * torch.rand(4)", "returns other logits when it is called again: it keeps "
         "state between calls, or draws random numbers in evaluation; keep neither"),
        ("pass", "x = x * np.random.rand()", "returns other logits when it is called again: it "
         "keeps state outside of its buffers, or draws random numbers by other means than "
         "torch's"),
        ("self.calls = 0", "self.calls += 1", "changes calls when it is called, which is lost "
         "where another process goes on; keep it in a buffer, and change that in place"),
        ("self.kept = []", "self.kept.append(1)", "changes kept when it is called, which is lost "
         "where another process goes on; keep it in a buffer, and change that in place"),
        ("self.mean = torch.zeros(4)", "self.mean.add_(x.mean(0).detach())", "changes mean when "
         "it is called, which is lost where another process goes on; keep it in a buffer, and "
         "change that in place"),
        ("pass", "self.mean = x.mean(0).detach()", "changes mean when it is called, which is lost "
         "where another process goes on; keep it in a buffer, and change that in place"),
        ("self.register_buffer('mean', torch.zeros(4))", "self.mean = x.mean(0).detach()",
         "changes mean when it is called, which is lost where another process goes on; keep it "
         "in a buffer, and change that in place"),
        ("self.register_buffer('mean', torch.zeros(4), persistent=False)",
         "self.mean.add_(x.mean(0).detach())", "changes mean when it is called, which is lost "
         "where another process goes on; keep it in a buffer, and change that in place"),
        ("self.register_buffer('mean', torch.zeros(4))", "self.mean.add_(x.mean(0).detach())",
         "changes mean in evaluation; do so in training only"),
        ("self.noise = torch.randn(4)", "x = x + self.noise", "is another one when it is made "
         "again with the same parameters and buffers: it keeps random numbers elsewhere; register "
         "them as a buffer"),
        ("self.numbers = torch.Generator()", "pass", "has a random generator, numbers; draw "
         "without one: each replicate seeds torch's own"),
        ("self.first.weight.data = torch.tensor(np.random.rand(4, 784), dtype=torch.float32)",
         "pass", "has another first.weight when it is made again with the same seed: draw it from "
         "torch's random numbers, and none of them when the file is imported"),
        ("torch.manual_seed(42)", "pass", "seeds torch's random numbers itself, so that all "
         "replicates would start alike; leave that to the pipeline"),
        ("self.unused = nn.Parameter(torch.ones(3, device='meta'))", "pass",
         "has unused on another device, or not dense; keep it plain"),
        ("self.unused = nn.Parameter(torch.zeros(0))", "pass",
         "has unused without elements; leave it out"),
        ("self.register_buffer('mean', torch.full((4,), torch.nan))", "pass",
         "starts with mean that is not a number"),
        ("pass", "return self.last(x).to_sparse()",
         "returns logits on another device, or not dense"),
        ("pass", "raise SystemExit(0)",
         "ends Python in training for images of shape (4, 1, 28, 28)"),
        ("self.calls = np.zeros(1)", "self.calls += 1", "changes calls when it is called, which is "
         "lost where another process goes on; keep it in a buffer, and change that in place"),
        ("self.kept = []; self.kept.append(self.kept)", "self.kept.append(1)",
         "changes kept when it is called, which is lost where another process goes on; keep it in "
         "a buffer, and change that in place"),
        ("type(self).get_extra_state = lambda self: 3", "pass", "keeps _extra_state, a int; "
         "make it a tensor"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_repeatably_is_refused(
    declare: Declare, init: str, forward: str, message: str
) -> None:
    assert refusal(declare(init, forward)) == message


def test_every_size_of_a_batch_is_tried(declare: Declare) -> None:
    declared = declare("self.norm = nn.BatchNorm1d(4)", "x = self.norm(x)")
    inspect(declared, 4, 64)
    assert refusal(declared, 64, 1) == (
        "raises ValueError: Expected more than 1 value per channel when training, got input size "
        "torch.Size([1, 4]) in training for images of shape (1, 1, 28, 28)"
    )


def test_imports_within_the_folder_are_followed(declare: Declare) -> None:
    declared = declare(
        text="from networks.blocks import middle\nfrom . import sub\nfrom .sub.deep import last\n"
        "def Net(): return nn.Sequential(nn.Flatten(), nn.Linear(784, 4), middle(), last())",
    )
    files = {
        "networks/__init__.py": "",
        "networks/blocks.py": "from torch import nn\ndef middle(): return nn.ReLU()",
        "networks/sub/deep.py": "from ..other import last",
        "networks/other.py": "from torch import nn\ndef last(): return nn.Linear(4, 10)",
        "networks/unread.py": "raise SystemExit",
    }
    for file, text in files.items():
        Path(file).parent.mkdir(exist_ok=True)
        Path(file).write_text(text, encoding="utf-8")
    inspect(declared)
    assert own.code_of(declared).keys() == {"networks/net.py", *files} - {"networks/unread.py"}
    assert not list(Path().rglob("__pycache__"))


def test_an_edit_counts_in_the_same_process(declare: Declare) -> None:
    text = "def Net(): return nn.Sequential(nn.Flatten(), nn.Linear(784, WIDTH))"
    declared = declare(text=f"from networks.blocks import WIDTH\n{text}")
    blocks = Path("networks/blocks.py")
    for width in (10, 20):
        blocks.write_text(f"WIDTH = {width}", encoding="utf-8")
        assert build(declared)(torch.zeros(1, 28, 28)).shape == (1, width)


def test_the_example_is_accepted_and_portable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    declared = network(
        hidden_sizes=(),
        module="networks/residual.py:Residual",
        arguments='{"width": 4}',
        dropout_prob=0.5,
    )
    inspect(declared, 64, 16)
    assert count(declared).outside == ()


TRAINED = {
    "dropout": ("self.drop = nn.Dropout(0.5)", "x = self.drop(x)"),
    "dropout as a function": ("pass", "x = torch.dropout(x, 0.5, self.training)"),
    "noise": ("pass", "x = x + torch.rand(4) if self.training else x"),
    "normal noise": ("pass", "x = x + 0.1 * torch.randn_like(x) if self.training else x"),
    "permutation": ("pass", "x = x[:, torch.randperm(4)] if self.training else x"),
    "choice by chance": ("pass", "x = -x if self.training and torch.rand(()) > 0.5 else x"),
    "branch by sum": ("pass", "x = x.relu() if x.sum() > 0 else x"),
    "item": ("pass", "x = x * round(x.mean().item(), 1)"),
    "frozen": ("self.first.requires_grad_(False)", "x = x.relu()"),
    "frozen by data": ("self.first.requires_grad_(False)", "x = x.relu() if x.sum() > 0 else x"),
    "tied": ("self.middle = nn.Linear(4, 4); self.again = self.middle",
             "x = self.again(self.middle(x).relu())"),
    "tied weights": ("self.middle, self.again = nn.Linear(4, 4), nn.Linear(4, 4); "
                     "self.again.weight = self.middle.weight",
                     "x = self.again(self.middle(x).relu())"),
    "unused": ("self.middle = nn.Linear(4, 4)", "x = x.relu()"),
    "unused by data": ("self.middle = nn.Linear(4, 4)", "x = x.relu() if x.sum() > 9e9 else x"),
    "normalised": ("self.norm = nn.BatchNorm1d(4)", "x = self.norm(x)"),
    "normalised by data": ("self.norm = nn.BatchNorm1d(4)",
                           "x = self.norm(x) if x.sum() > -9e9 else x"),
    "buffers": ("self.register_buffer('steps', torch.zeros((), dtype=torch.int64)); "
                "self.register_buffer('mean', torch.zeros(4, dtype=torch.float64))",
                "if self.training:\n"
                "            self.steps.add_(1); self.mean.add_(x.detach().mean(0).double())\n"
                "        x = x - (self.mean / (1 + self.steps)).float()"),
    "parameter": ("self.scale = nn.Parameter(torch.ones(4))", "x = x * self.scale"),
    "scalar": ("self.scale = nn.Parameter(torch.tensor(2.0))", "x = x * self.scale"),
    "attention": ("self.mix = nn.MultiheadAttention(4, 2, dropout=0.1, batch_first=True)",
                  "x = self.mix(x[:, None], x[:, None], x[:, None])[0][:, 0]"),
    "checkpointed": ("pass", "x = torch.utils.checkpoint.checkpoint(torch.relu, x, "
                     "use_reentrant=False)"),
    "output is a view": ("pass", "return self.last(x)[:, :10]"),
}  # fmt: skip
BY_AUTOGRAD = {
    "choice by chance",
    "branch by sum",
    "item",
    "frozen by data",
    "unused by data",
    "normalised by data",
    # An index may be a mask, and then the shape of its result depends on values.
    "permutation",
}


@pytest.fixture
def short(hyperparameters: Hyperparameters) -> Hyperparameters:
    """Two epochs of a few steps, the last of which has fewer images."""
    return replace(hyperparameters, num_epochs=2, batch_size=48)


@pytest.mark.parametrize("kind", TRAINED)
def test_its_numbers_are_the_replicates_and_it_resumes(
    declare: Declare,
    short: Hyperparameters,
    train_examples: Examples,
    test_examples: Examples,
    kind: str,
) -> None:
    declared = declare(*TRAINED[kind])
    train = Examples(train_examples.images[:112], train_examples.labels[:112])
    inspect(declared, 48, 16)
    replicate = Replicate(network=declared, hyperparameters=short, seed=3)
    torch.manual_seed(1)
    curves, state = train_replicate(replicate, train, test_examples)
    torch.manual_seed(2)
    # Other processes: nothing is kept from the epochs before.
    fresh = replace(replicate, network=replace(declared, name="n10"))
    before = initial_state(fresh)
    first, between = train_epoch(fresh, 1, before, train, test_examples)
    other = replace(replicate, network=replace(declared, name="n11"))
    second, resumed = train_epoch(other, 2, between, train, test_examples)
    assert curves == [first, second]
    assert save(state) == save(resumed)
    reasons = count(declared).outside
    assert bool(reasons) == (kind in BY_AUTOGRAD), reasons
    moved = [name for name in weights(state) if not torch.equal(state[name], before[name])]
    assert ("1.first.weight" in moved) == ("frozen" not in kind)
    assert "1.last.weight" in moved
    module = restore(declared, weights(state), "cpu")
    assert infer(module, test_examples.images).isfinite().all()


@pytest.mark.parametrize("kind", ["branch by sum", "item", "tied weights", "normalised by data"])
def test_gradients_are_those_of_plain_autograd(
    declare: Declare, short: Hyperparameters, train_examples: Examples, kind: str
) -> None:
    declared = declare(*TRAINED[kind])
    state = initial_state(Replicate(network=declared, hyperparameters=short, seed=0))
    module, plain = (restore(declared, state, "cpu") for _ in range(2))
    inputs = pixels_to_inputs(train_examples.images[:48])
    targets = torch.eye(10)[train_examples.labels[:48]]
    vectors = Vectors(module)
    with torch.inference_mode():
        step = training_step(module, inputs, targets, _gradient, vectors, torch.Generator())
        step.inputs.copy_(inputs)
        step.targets.copy_(targets)
        logits = step()
    expected = plain(inputs)
    nn.functional.cross_entropy(expected, targets).backward()
    torch.testing.assert_close(logits, expected.detach())
    for name, parameter in plain.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(
            vectors.gradients_by_name[name], parameter.grad, atol=1e-6, rtol=1e-4
        )
    assert dict(module.named_buffers()).keys() == dict(plain.named_buffers()).keys()
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(module.get_buffer(name), buffer)


def _gradient(logits: Tensor, targets: Tensor) -> Tensor:
    return loss_gradient(logits, targets, "logits")


def test_what_cannot_be_derived_is_named(declare: Declare) -> None:
    (reason,) = count(declare(*TRAINED["branch by sum"])).outside
    assert reason == "what it does next depends on values (aten._local_scalar_dense.default)"
    (operation,) = count(declare(forward="x = torch.special.erfcx(x)")).outside
    assert operation == "aten.special_erfcx.default"


def test_a_worker_with_other_files_is_refused(declare: Declare, short: Hyperparameters) -> None:
    declared = declare()
    replicate = Replicate(network=declared, hyperparameters=short, seed=0)
    elsewhere = {"networks/net.py": "0" * 64}
    with pytest.raises(ConfigError, match="a worker of the cluster has other files of it in /"):
        run_chunk(replicate, Chunk(), b"", b"", seconds=0, code=elsewhere)


@pytest.mark.parametrize("activation", get_args(Activation))
def test_plain_layers_are_portable(activation: Activation) -> None:
    plain = network(
        conv_filters=(2,),
        pool=True,
        batch_norm=True,
        activation=activation,
        padding="valid",
        input_dropout=0.1,
        conv_dropout=0.25,
        dropout_prob=0.5,
    )
    assert count(plain).outside == ()


def test_weights_of_any_module_have_statistics() -> None:
    values = np.arange(8, dtype=np.float32)
    nothing = weight_statistics({"1.scale": values}, 0.001, network())
    assert (nothing.count, nothing.near_zero, nothing.total_variation) == (0, 0.0, 0.0)
    mixed = {"1.deep.10.weight": values.reshape(2, 1, 2, 2), "1.deep.9.weight": values[None]}
    assert filters(mixed, network()).shape == (2, 2, 2)
    assert weight_statistics(mixed, 0.5, network()).count == 16
    assert strongest_filters({"1.only.weight": values[None]}, network()).shape == (0, 1, 1)
