"""Types the commands of a page into a shell, as its reader does, and prints what the reader sees.

    type.py PAGE [--section TITLE] [--from TEXT] [--until TEXT] [--browser PROGRAM] [--paced] -- COMMAND...

COMMAND starts the shell, whose prompt is `<<STATUS>> `. The commands are the indented lines of PAGE, in their order: of
the section with this title, from the first command with the one text to the first one with the other. A link
that one prints is opened: PROGRAM gets it as its argument. A command that fails ends it all with exit 1. `--paced` takes
the time that a person takes: 200 words a minute to read, five characters a second to type; otherwise it takes a second
of it, and the rest is only added up. The last line has the seconds.
"""
import os
import pty
import re
import select
import subprocess
import sys
import time

WORDS_A_MINUTE = 200
CHARACTERS_A_SECOND = 5
# An installation may take long on a busy machine.
LIMIT_SECONDS = 600


def commands(page):
    """Pairs of the words before a command, and the command."""
    words = 0
    for line in page.splitlines():
        if line.startswith("    ") and line.strip():
            yield words, line.strip()
            words = 0
        else:
            words += len(line.split())


def part(text, section, first, last):
    if section:
        text = re.split(rf"^## .*{re.escape(section)}.*$", text, maxsplit=1, flags=re.MULTILINE)[1]
        text = re.split(r"^## ", text, maxsplit=1, flags=re.MULTILINE)[0]
    found = list(commands(text))
    while first and found and first not in found[0][1]:
        del found[0]
    end = next((at for at, (_, line) in enumerate(found, 1) if last and last in line), None)
    if not found or last and end is None:
        sys.exit(f"the page has no such command: {section}, {first}, {last}")
    return found[:end]


class Shell:
    def __init__(self, command):
        child, self.terminal = pty.fork()
        if child == 0:
            os.execvp(command[0], command)
        self.wait_for_prompt()

    def wait_for_prompt(self):
        """What was printed, and the status of the last command."""
        seen = b""
        end = time.monotonic() + LIMIT_SECONDS
        while True:
            found = re.search(rb"<<(\d+)>> $", seen)
            if found:
                return seen[: found.start()].decode(errors="replace"), int(found.group(1))
            ready, _, _ = select.select([self.terminal], [], [], max(0, end - time.monotonic()))
            try:
                more = os.read(self.terminal, 4096) if ready else b""
            except OSError:
                more = b""
            if not more:
                sys.exit(f"no prompt came: {seen.decode(errors='replace')}")
            sys.stdout.buffer.write(more)
            sys.stdout.flush()
            seen += more

    def type(self, line):
        os.write(self.terminal, line.encode() + b"\n")
        return self.wait_for_prompt()


def main():
    arguments, command = sys.argv[1:], []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, command = arguments[:at], arguments[at + 1 :]
    paced = "--paced" in arguments
    option = lambda name: arguments[arguments.index(name) + 1] if name in arguments else None
    browser = option("--browser")
    with open(arguments[0], encoding="utf-8") as page:
        text = page.read()
    began, person, taken = time.monotonic(), 0.0, 0.0
    shell = Shell(command)
    for words, line in part(text, option("--section"), option("--from"), option("--until")):
        pause = words * 60 / WORDS_A_MINUTE + len(line) / CHARACTERS_A_SECOND
        person += pause
        taken += (slept := pause if paced else min(pause, 1.0))
        time.sleep(slept)
        printed, status = shell.type(line)
        if status != 0:
            sys.exit(f"\nexit {status}: {line}")
        link = re.search(r"http://127\.0\.0\.1:\S+", printed)
        if browser and link:
            print(flush=True)
            subprocess.run([browser, link.group()], check=True)
    machine = time.monotonic() - began - taken
    print(f"\nSECONDS {machine:.0f} of the machine, {person:.0f} of a person: {machine + person:.0f}")


main()
