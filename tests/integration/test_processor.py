"""What is asked of the processor and of the libraries that choose their code by it."""

import os
import subprocess
import sys

import pytest

from fashionbench.errors import ConfigError
from fashionbench.portable import processor


def test_other_code_of_torch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "is_x86", lambda: True)
    with pytest.raises(ConfigError, match=r"code for AVX512, .* set ATEN_CPU_CAPABILITY=avx2"):
        processor.check_capability("AVX512")
    processor.check_capability("AVX2")
    monkeypatch.setattr(processor, "is_x86", lambda: False)
    processor.check_capability("DEFAULT")


@pytest.mark.skipif(not processor.is_x86(), reason="this is no x86-64 processor")
def test_what_the_shell_had_does_not_matter() -> None:
    shell = {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_CBWR": "COMPATIBLE",
    }
    code = (
        "from fashionbench.portable.processor import pin_arithmetic; pin_arithmetic(); import os;"
        "import torch; print(torch.backends.cpu.get_cpu_capability(),"
        "os.environ.get('MKL_CBWR'), os.environ.get('ONEDNN_MAX_CPU_ISA'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | shell,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["AVX2", "None", "None"]
