"""What a measured server has taken of the processor."""

import subprocess
import sys

from bench.servers import Server

BUSY = "import time\nwhile time.process_time() < 0.5: pass"


def test_children_that_have_ended_count() -> None:
    parent = 'for one in 1 2; do "$0" -c "$1"; done; echo done; read line'
    process = subprocess.Popen(
        ["sh", "-c", parent, sys.executable, BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"

        assert Server("", process=process).cpu_seconds() >= 0.9

        process.communicate(b"\n", timeout=30)


def test_a_process_that_is_gone_has_taken_nothing() -> None:
    process = subprocess.Popen(["true"])
    process.wait(30)

    assert Server("", process=process).cpu_seconds() == 0
