"""Pictures of many megapixels, prepared in a process whose memory is measured."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image


@pytest.mark.parametrize(
    ("size", "name"), [((1080, 60_000), "long.png"), ((12_000, 9_000), "large.jpg")]
)
def test_a_large_picture_takes_little_memory(
    tmp_path: Path, size: tuple[int, int], name: str
) -> None:
    image = Image.new("L", size, 250)
    image.paste(10, (size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2))
    path = tmp_path / name
    image.save(path)
    del image
    code = f"""
import resource
from pathlib import Path
from fashionbench.serving.preprocessing import read_picture
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read_picture(Path({str(path)!r}))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 450
