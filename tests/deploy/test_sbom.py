"""The bill of materials names what the image installs."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_pinned_package_is_in_it(tmp_path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^\t\$\(BIN\)/cyclonedx-py (.+)$", makefile, re.MULTILINE)
    assert recipe
    target = tmp_path / "sbom.json"
    arguments = recipe[1].replace("build/sbom.json", str(target)).split()

    subprocess.run([sys.executable, "-m", "cyclonedx_py", *arguments], cwd=ROOT, check=True, timeout=60)

    document = json.loads(target.read_text(encoding="utf-8"))
    named = {(one["name"].lower(), one["version"]) for one in document["components"]}
    pins = re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE
    )
    assert pins
    assert {(name.lower(), version) for name, version in pins} <= named
    assert document["metadata"]["component"]["name"] == "webpubsub-upstream"
