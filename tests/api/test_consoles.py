"""Where the command line writes."""

import subprocess
import sys

_SAY = "from api.consoles import consoles; out, err = consoles(); out.print('x' * 150); err.print('y' * 150)"


def test_what_goes_to_another_program_is_not_cut_and_errors_go_their_own_way():
    told = subprocess.run([sys.executable, "-c", _SAY], capture_output=True, text=True, check=True)
    assert (told.stdout, told.stderr) == ("x" * 150 + "\n", "y" * 150 + "\n")


def test_brackets_are_printed_as_they_are():
    say = "from api.consoles import consoles\nfor console in consoles(): console.print('legal is [a-z], not [/x]')"
    told = subprocess.run([sys.executable, "-c", say], capture_output=True, text=True, check=True)
    assert told.stdout == told.stderr == "legal is [a-z], not [/x]\n"
