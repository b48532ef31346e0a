"""The reader of params.yaml: what it takes, and what it says of what it does not take."""

from pathlib import Path

import pytest
from conftest import PROJECT

from fashionbench.errors import ConfigError
from fashionbench.params import Params, load_params

TEXT = (PROJECT / "params.yaml").read_text()


def read(folder: Path, text: str) -> Params:
    path = folder / "params.yaml"
    path.write_text(text)
    return load_params(path)


def test_the_report_is_the_default(params: Params) -> None:
    how = params.hyperparameters
    assert (how.learning_rate, how.batch_size, how.num_epochs) == (0.001, 64, 20)
    assert params.network("n4_dropout").dropout_prob == 0.5
    assert params.network("n6_l1").l1_strength == 0.001
    assert params.network("n7_l2").l2_strength == 0.001


def test_a_network_gets_only_the_strengths_that_it_names(params: Params) -> None:
    strengths = {
        name: (network.dropout_prob, network.l1_strength, network.l2_strength)
        for name in params.networks
        for network in [params.network(name)]
        if any((network.dropout_prob, network.l1_strength, network.l2_strength))
    }
    assert strengths == {
        "n4_dropout": (0.5, 0, 0),
        "n6_l1": (0, 0.001, 0),
        "n7_l2": (0, 0, 0.001),
    }


def test_numbers_read_as_dvc_reads_them(tmp_path: Path) -> None:
    text = TEXT.replace("learning_rate: 0.001", "learning_rate: 1e-3")
    assert read(tmp_path, text).learning_rate == 0.001


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("dropout_prob: 0.5", "dropout_prob: 1.0", "dropout_prob = 1.0: input should be less than"),
        ("dropout_prob: 0.5", "dropout_prob: '0.5'", "dropout_prob = '0.5': input should be"),
        ("dropout_prob: 0.5", "dropout_prb: 0.5", "did you mean dropout_prob?"),
        ("dropout_prob: 0.5", "", "dropout_prob is missing"),
        ("l1_strength: 0.001", "l1_strength: -1", "l1_strength = -1: input should be greater"),
        ("learning_rate: 0.001", "learning_rate: .nan", "learning_rate = nan"),
        ("learning_rate: 0.001", "learning_rate: 0", "learning_rate = 0: input should be greater"),
        ("num_epochs: 20", "num_epochs: true", "num_epochs = True"),
        ("num_epochs: 20", "num_epochs: 0", "num_epochs = 0"),
        ("num_epochs: 20", "num_epochs: 20\nnum_epochs: 3", 'duplicate key "num_epochs"'),
        ("batch_size: 64", "batch_size: 50001", "must be at most train_size = 50000"),
        ("batch_size: 64", "batch_size: 49999", "a last batch of one image"),
        ("input_size: 784", "input_size: 1024", "input_size = 1024: input should be 784"),
        ("num_classes: 10", "num_classes: 9", "num_classes = 9: input should be 10"),
        ("seeds: [0, 1, 2, 3, 4]", "seeds: []", "seeds = []"),
        ("seeds: [0, 1, 2, 3, 4]", "seeds: [1, 1]", "each seed may stand only once"),
        ("seeds: [0, 1, 2, 3, 4]", "seeds: [-1]", "seeds.0 = -1"),
        ("optimizer: adam", "optimizer: adma", "optimizer = 'adma': input should be 'adam'"),
        ("loss_input: probabilities", "loss_input: probs", "'probabilities' or 'logits'"),
        ("none: 0", "none: 1", "none = 1: input should be 0"),
        ("n1_mlp:", "../n1:", "'../n1'"),
        ("hidden_sizes: [128]", "hidden_sizes: []", "needs at least one layer"),
        ("hidden_sizes: [128]", "hidden_size: [128]", "did you mean hidden_sizes?"),
        ("hidden_sizes: [128]", "hidden_sizes: [0]", "hidden_sizes.0 = 0"),
        ("dropout: dropout_prob", "dropout: l1_strength", "networks.n4_dropout.dropout"),
    ],
)
def test_a_wrong_parameter_is_named_in_one_line(
    tmp_path: Path, right: str, wrong: str, says: str
) -> None:
    assert right in TEXT
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, TEXT.replace(right, wrong, 1))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "not NoneType"), ("- 1", "not list"), ("a: [", "is not YAML"), ("a: \0", "is not YAML")],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read(tmp_path, text)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run from the repository's top folder"):
        load_params(tmp_path / "params.yaml")


def test_an_unknown_network_is_refused_with_a_guess(params: Params) -> None:
    with pytest.raises(ConfigError, match="did you mean n4_dropout"):
        params.network("n4_dropot")
