import subprocess
import sys

# Faults of first touch, before and after: twenty times the same 32 MiB.
PROGRAM = """
import resource, torch
from vlm_rewards.rllib.process_memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(8 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

first = faults()
print(first, keep_freed_memory(), faults(), faults())
"""


def test_memory_that_was_freed_is_used_again_without_new_pages():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120)
    before, done_here, _, after = done.stdout.split()
    assert done_here == "True"
    assert int(after) < int(before) / 10
