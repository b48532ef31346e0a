"""The reader of params.yaml: what it takes, and what it says of what it does not take."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from repositories import PROJECT

from fashionbench.errors import ConfigError
from fashionbench.params import Params, load_params

TEXT = (PROJECT / "params.yaml").read_text()
SEEDS = next(line.split(" #")[0] for line in TEXT.splitlines() if line.startswith("seeds:"))


def read(folder: Path, text: str) -> Params:
    path = folder / "params.yaml"
    path.write_text(text)
    return load_params(path)


def test_the_report_is_the_default(params: Params) -> None:
    assert (params.learning_rate, params.batch_size, params.num_epochs) == (0.001, 64, 20)


@pytest.mark.parametrize(
    ("name", "strengths"),
    [
        ("n2_mlp", (0, 0, 0)),
        ("n4_dropout", (0.5, 0, 0)),
        ("n6_l1", (0, 0.001, 0)),
        ("n7_l2", (0, 0, 0.001)),
    ],
)
def test_a_network_gets_only_the_strengths_that_it_names(
    params: Params, name: str, strengths: tuple[float, ...]
) -> None:
    network = params.network(name)
    assert (network.dropout_prob, network.l1_strength, network.l2_strength) == strengths


def with_own(values: str) -> str:
    """Return the project's parameters with values of its own for n5_batch_norm."""
    line = "hidden_sizes: [128, 64], batch_norm: true, dropout: none"
    assert line in TEXT
    return TEXT.replace(line, line.replace("none", f"dropout_prob, own: {{{values}}}"))


def test_a_network_may_have_values_of_its_own(tmp_path: Path) -> None:
    text = with_own("dropout_prob: 0.25, seeds: [7, 8], learning_rate: 1e-2, batch_size: 100")
    params = read(tmp_path, text)
    own = params.of("n5_batch_norm")
    assert (own.seeds, own.hyperparameters.learning_rate, own.batch_size) == ((7, 8), 0.01, 100)
    assert params.network("n5_batch_norm") == own.network("n5_batch_norm")

    assert params.network("n5_batch_norm").dropout_prob == 0.25
    assert params.network("n4_dropout").dropout_prob == 0.5
    assert params.of("n4_dropout") is params


def test_a_number_of_own_seeds_means_the_first_of_the_shared_ones(tmp_path: Path) -> None:
    for shared, expected in (([4, 9, 2], (4, 9)), ([0], (0,))):
        text = with_own("seeds: 2").replace(SEEDS, f"seeds: {shared}")
        assert read(tmp_path, text).of("n5_batch_norm").seeds == expected


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ("dropout_prob: 1.5", ": dropout_prob = 1.5: input should be less"),
        ("seeds: [1, 1]", ": seeds = [1, 1]: each seed may appear only"),
        ("seeds: 0", ": seeds = 0: input should be a"),
        ("batch_size: 1", ": batch_size = 1: makes a batch of one image"),
        ("seads: [1]", ".seads = 'seads': input should be 'learning_rate'"),
        ("input_size: 10", ".input_size = 'input_size': input should be"),
    ],
)
def test_own_values_have_the_same_limits(tmp_path: Path, values: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, with_own(values))
    assert f"networks.n5_batch_norm.own{says}" in str(caught.value)


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
        ("batch_size: 64", "batch_size: 49999", "makes a batch of one image"),
        ("input_size: 784", "input_size: 1024", "784, since dataset = fashion_mnist has grey"),
        ("num_classes: 10", "num_classes: 9", "num_classes = 9: must be 10"),
        (SEEDS, "seeds: []", "seeds = []"),
        (SEEDS, "seeds: [1, 1]", "each seed may appear only once"),
        (SEEDS, "seeds: [-1]", "seeds.0 = -1"),
        ("optimizer: adam", "optimizer: adma", "optimizer = 'adma': input should be 'adam'"),
        ("loss_input: probabilities", "loss_input: probs", "'probabilities' or 'logits'"),
        ("input_size: 784", "input_size: 784.0", "input_size = 784.0: input should be a whole"),
        ("batch_size: 64", "batch_size: 1", "makes a batch of one image"),
        ("device: cpu", "device: gpu", "device = 'gpu': input should be 'cpu' or 'cuda'"),
        ("precision: float32", "precision: float23", "did you mean float32?"),
        (SEEDS, "seeds: 3", "seeds = 3: input should be a list"),
        (SEEDS, "seeds: [4294967296]", "seeds.0 = 4294967296: input should be"),
        ("hidden_sizes: [128]", "hidden_sizes: [1000001]", "less than or equal to 1000000"),
        ("n1_mlp:", "$(ls):", "'$(ls)': a name starts with a lower-case letter"),
        ("n1_mlp:", '"a\\nb":', "a name starts with a lower-case letter"),
        ("learning_rate: 0.001", "learning_rate: &a [*a]", "learning_rate = [["),
        ("learning_rate: 0.001", "learning_rate:", "learning_rate = None: input should be"),
        ("hidden_sizes: [128]", "hidden_sizes: []", "needs at least one layer"),
        ("hidden_sizes: [128]", "hidden_sizes: [9], conv_dropout: 0.1", "0.1: is for convolutions"),
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


NO_YAML = ["a: [", "a: \0", "? {a}: b"]
# These make the reader itself fail, with errors of other kinds.
NO_YAML += ["[" * 5000, "a: 2001-13-45", "a: !!bool x", "a: !!int x", "a: " + "9" * 5000]


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "not NoneType"), ("- 1", "not list"), *((text, "is not YAML") for text in NO_YAML)],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read(tmp_path, text)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run from the repository's top folder"):
        load_params(tmp_path / "params.yaml")


def test_an_unknown_network_is_refused_with_a_guess(params: Params) -> None:
    for look_up in (params.network, params.of):
        with pytest.raises(ConfigError, match="did you mean n4_dropout"):
            look_up("n4_dropot")


NASTY = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_subnormal=False),  # torch makes this process count them as 0.
    st.text(max_size=8),
    st.sampled_from(["'0.5'", "1e-3", ".nan", "-.inf", "2001-13-45", "!!bool x", "&a [*a]"]),
    st.lists(st.integers(-1, 3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
LINES = TEXT.splitlines()


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The project's params.yaml with a few values replaced, lines moved, or characters changed."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["value", "drop", "double", "rename", "noise", "indent"])):
            case "value":
                lines[place] = f"{lines[place].partition(':')[0]}: {draw(NASTY)}"
            case "drop":
                lines[place] = ""
            case "double":
                lines.append(lines[place])
            case "rename":
                lines[place] = draw(st.text(max_size=6)) + lines[place]
            case "noise":
                cut = draw(st.integers(0, len(lines[place])))
                noise = draw(st.text(st.characters(codec="utf-8"), max_size=5))
                lines[place] = lines[place][:cut] + noise + lines[place][cut + 1 :]
            case "indent":
                lines[place] = " " * draw(st.integers(1, 5)) + lines[place]
    return "\n".join(lines)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(text=mutated())
def test_any_file_is_either_valid_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    try:
        found = read(tmp_path_factory.mktemp("mutated"), text)
    except ConfigError as error:
        refusal = str(error)
    else:
        # What was accepted must be usable, and mean the same when it is written out again.
        assert [found.network(name).name for name in found.networks] == list(found.networks)
        assert Params.model_validate(found.model_dump(exclude_unset=True)) == found
        return
    assert len(refusal.splitlines()) == 1
    assert len(refusal) < 1000
