"""``fashionbench doctor``: says whether this machine makes the committed bits, and why not."""

import pytest
import torch
from torch import Tensor
from trainings import forget_kernels

from fashionbench.commands import doctor
from fashionbench.errors import ConfigError, VerificationError
from fashionbench.pipeline import processor
from fashionbench.training import kernels, self_test


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
    assert "makes other bits (n2_mlp)" in str(found.value)
    assert "the first operation that differs is the product 64x784 by 784x128" in str(found.value)
    assert processor.name() in str(found.value)
    assert "oneDNN 3" in str(found.value)


def test_another_architecture_is_not_comparable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processor, "is_x86", lambda: False)
    doctor.examine()
    assert "Not comparable: the committed bits are those of x86-64" in capsys.readouterr().out


def test_a_processor_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "is_x86", lambda: True)
    monkeypatch.setattr(processor, "flags", lambda: {"avx"})
    with pytest.raises(ConfigError, match="lacks AVX2"):
        doctor.examine()


def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "is_x86", lambda: False)
    monkeypatch.setattr(doctor, "_NEEDED_DISK", 1 << 60)
    with pytest.raises(VerificationError, match=r"GiB of free space: a full run needs"):
        doctor.examine()
