"""The probes of the benchmarks tell of the right process."""

import os
import subprocess
import sys

from benchmarks.processes import Cpu, Spent, Tree, stolen


def test_processor_time_is_that_of_a_process():
    cpu = Cpu(os.getpid())
    before = cpu.seconds()
    while cpu.seconds() < before + 0.05:
        sum(range(10_000))
    assert 0 < cpu.loop_seconds() <= cpu.seconds()


def test_what_was_stolen_is_a_part_of_all():
    taken, ticks = stolen()
    assert 0 <= taken < ticks


def test_children_are_told_apart_from_the_exchange_by_what_they_run():
    loop = "import sys; print(flush=True); [sum(range(1000)) for _ in range(10**9)]"
    lines = [[sys.executable, "-c", loop, word] for word in ("api.gateways.process", "postgres")]
    processes = [subprocess.Popen(line, stdout=subprocess.PIPE) for line in lines]
    try:
        for process in processes:
            process.stdout.readline()
        before = Tree(os.getpid()).spent()
        while min((spent := Tree(os.getpid()).spent().since(before)).gateways, spent.settlement) < 0.01:
            sum(range(10_000))
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert spent.exchange > 0
    assert spent.total == spent.exchange + spent.gateways + spent.settlement


def test_what_came_since_is_a_difference():
    assert Spent(3.0, 2.0, 1.0, 1.0).since(Spent(1.0, 1.0, 1.0, 0.0)) == Spent(2.0, 1.0, 0.0, 1.0)
