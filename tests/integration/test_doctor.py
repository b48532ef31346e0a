"""``fashionbench doctor``: says whether this machine makes the committed bits, and why not."""

import shutil
from pathlib import Path

import pytest
import torch
from repositories import PROJECT, as_yaml
from ruamel.yaml import YAML
from torch import Tensor
from trainings import forget_kernels

from fashionbench.commands import doctor
from fashionbench.errors import ConfigError, VerificationError
from fashionbench.portable import definition, kernels, processor
from fashionbench.training import self_test


@pytest.mark.skipif(not processor.is_x86(), reason="the known bits are those of x86-64")
@pytest.mark.tries("fashionbench doctor")
def test_this_machine_is_well(capfd: pytest.CaptureFixture[str]) -> None:
    from fashionbench.cli import main

    assert main(["doctor"]) == 0
    said = capfd.readouterr().out
    assert "This machine makes the committed bits." in said
    assert torch.__version__.partition("+")[0] in said
    assert "weight gradient" in said


@pytest.mark.skipif(not processor.is_x86(), reason="the known bits are those of x86-64")
def test_other_bits_are_named_with_their_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    def rounded_once(a: tuple[Tensor, ...], b: tuple[Tensor, ...], out: Tensor) -> Tensor:
        return out.copy_((torch.cat(list(a), 1).double() @ torch.cat(list(b)).double()).float())

    forget_kernels()
    monkeypatch.setattr(self_test, "NETWORKS", {"n2_mlp": self_test.NETWORKS["n2_mlp"]})
    monkeypatch.setattr(self_test.differing, "__defaults__", (("n2_mlp",),))
    for kernel in ("_multiply_by_mkl", "_multiply_by_onednn", "_multiply_padded"):
        monkeypatch.setattr(kernels, kernel, rounded_once)
    with pytest.raises(VerificationError) as found:
        doctor.examine()
    forget_kernels()
    assert "does not make the committed bits (n2_mlp)" in str(found.value)
    said = "the first operation that differs is the product 64x784 by 784x128 (order of sums"
    assert said in str(found.value)
    assert processor.name() in str(found.value)
    assert "oneDNN 3" in str(found.value)


def in_order(a: tuple[Tensor, ...], b: tuple[Tensor, ...], out: Tensor) -> Tensor:
    """Add as it is defined: in chunks, each of them one chain of fused multiply-adds."""
    out.zero_()
    for some_a, some_b in zip(a, b, strict=True):
        out.add_(definition.chain(some_a, some_b))
    return out


def halved(a: tuple[Tensor, ...], b: tuple[Tensor, ...], out: Tensor) -> Tensor:
    """Add the halves of each chunk apart, and then both."""
    out.zero_()
    for some_a, some_b in zip(a, b, strict=True):
        middle = some_a.shape[1] // 2
        first = definition.chain(some_a[:, :middle], some_b[:middle])
        out.add_(first + definition.chain(some_a[:, middle:], some_b[middle:]))
    return out


def backwards(a: tuple[Tensor, ...], b: tuple[Tensor, ...], out: Tensor) -> Tensor:
    """Add chunks as they are defined, but begin with the last one."""
    return in_order(a[::-1], b[::-1], out)


def test_the_term_is_named_at_which_an_order_departs() -> None:
    chunk = kernels.CHUNK
    sizes = (64, 2 * chunk + 40, 17)
    assert doctor.first_departure(in_order, *sizes) is None
    assert doctor.first_departure(halved, *sizes) == chunk // 2
    assert doctor.first_departure(backwards, *sizes) == chunk
    assert doctor.first_departure(kernels._multiply_by_onednn, *sizes) is None


def test_another_architecture_is_not_comparable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processor, "is_x86", lambda: False)
    doctor.examine()
    assert "Not comparable: the committed bits are those of x86-64" in capsys.readouterr().out


@pytest.mark.skipif(not processor.is_x86(), reason="the known bits are those of x86-64")
def test_the_sizes_of_the_data_set_at_hand_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(self_test.differing, "__defaults__", (("n2_mlp",),))
    shutil.copy(PROJECT / "datasets.yaml", tmp_path)
    params = YAML(typ="safe").load(PROJECT / "params.yaml")
    params["networks"] = {name: params["networks"][name] for name in ("n2_mlp", "n8_conv")}
    (tmp_path / "params.yaml").write_text(as_yaml(params | {"dataset": "digits"}))
    monkeypatch.chdir(tmp_path)
    forget_kernels()
    doctor.examine()
    said = capsys.readouterr().out
    assert "the sizes of Digits of 8 x 8 pixels" in said
    # The first layer of a perceptron, with the 45 images that are left of 1,197.
    assert "product 45x64 by 64x128 " in said
    assert "convolution" in said
    assert " none" not in said
    for kernel in ("_multiply_by_mkl", "_multiply_by_onednn", "_multiply_padded"):
        monkeypatch.setattr(kernels, kernel, backwards)
    monkeypatch.setattr(self_test, "differing", lambda: [])
    forget_kernels()
    reason = r"does not make the defined bits on Digits of 8 x 8 pixels: product \d+x"
    with pytest.raises(VerificationError, match=reason):
        doctor.examine()
    forget_kernels()


@pytest.mark.parametrize(("flags", "lacks"), [({"avx"}, "AVX2 and FMA"), ({"avx2"}, "FMA")])
def test_a_processor_that_is_too_old_is_refused(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], lacks: str
) -> None:
    monkeypatch.setattr(processor, "is_x86", lambda: True)
    monkeypatch.setattr(processor, "flags", lambda: flags)
    with pytest.raises(ConfigError, match=rf"\) lacks {lacks}: an x86-64 processor needs"):
        doctor.examine()


def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "is_x86", lambda: False)
    monkeypatch.setattr(doctor, "_NEEDED_DISK", 1 << 60)
    with pytest.raises(VerificationError, match=r"GiB free, and a full run needs"):
        doctor.examine()
