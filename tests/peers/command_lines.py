"""Reads every command line of the how-tos, the tutorials and the README, and finds what its reader could not run.

    command_lines.py PROJECT

A shell has to understand it; programs are those of the list below; subcommands and options of pcd-platform are in its
reference, those of kubectl in its own help; files of the project, services of the compose file and units exist. What runs in a
test besides is in tests/it/documentation/commands.rs. The last line has the numbers.
"""
import collections
import functools
import os
import re
import shlex
import subprocess
import sys

import yaml

PROJECT = sys.argv[1]
KUBECTL = os.path.join(PROJECT, "target/peers/kubectl")
if not os.path.exists(KUBECTL):
    KUBECTL = "kubectl"

# What pages use of docker, which no test has: by its manual.
DOCKER = {
    "build": {"--file", "--tag", "--build-arg"},
    "volume create": set(),
    "run": {"--rm", "--read-only", "--network", "--env", "--volume", "--detach", "--name", "--cap-drop", "--publish",
            "--stop-timeout", "--tmpfs"},
    "exec": set(),
    "compose build": set(),
    "compose run": {"--rm"},
    "compose up": {"--detach"},
    "compose exec": {"--detach"},
}
SYSTEMCTL = {"daemon-reload", "edit", "enable", "list-timers", "reload", "restart", "start", "status", "stop"}
APT = {"install", "remove", "update"}
# Other programs: known by name.
PROGRAMS = set("""
    : [ adduser awk basename cat cd chgrp chmod chown cp createdb createuser csplit curl date dpkg dpkg-deb echo export for
    groupadd haproxy install jq ls mkdir mv newgrp nginx openssl p11tool certtool softhsm2-util pg_dump pg_restore printf psql
    python3 qemu-aarch64-static read rm rustup sed sh sleep systemd-run systemd-tmpfiles tr umask useradd xargs
    apt-get cargo docker kubectl pcd-platform systemctl do done then fi else if while
""".split())


def reference():
    """The options of each command of pcd-platform; None is for options of all."""
    options = collections.defaultdict(set)
    command = None
    with open(os.path.join(PROJECT, "docs/reference/commands.md"), encoding="utf-8") as page:
        for line in page:
            heading = re.match(r"## (?:pcd-platform )?(.*)", line)
            if heading:
                command = None if heading[1].startswith("Options of") else heading[1]
                options[command]
            for option in re.findall(r"`(--[a-z0-9-]+)", line.split("|")[1]) if line.startswith("| `") else []:
                options[command].add(option)
    return options


OPTIONS = reference()


def pages():
    yield "README.md"
    for folder in ("docs/howto", "docs/tutorial"):
        for name in sorted(os.listdir(os.path.join(PROJECT, folder))):
            yield os.path.join(folder, name)


def blocks(text):
    """Blocks of code: the number of the line, the language ("" for an indented one), and the lines."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        indent = len(line) - len(line.lstrip())
        if line.lstrip().startswith("```"):
            end = at + 1
            while lines[end].strip() != "```":
                end += 1
            yield at + 2, line.strip()[3:].split(" ")[0] or "text", [of[indent:] for of in lines[at + 1 : end]]
            at = end + 1
        elif indent >= 4 and (at == 0 or not lines[at - 1].strip()):
            end = at
            while end < len(lines) and (not lines[end].strip() or lines[end].startswith(" " * 4)):
                end += 1
            body = lines[at:end]
            width = min(len(of) - len(of.lstrip()) for of in body if of.strip())
            yield at + 1, "", [of[width:] for of in body]
            at = end
        else:
            at += 1


def commands(language, lines):
    """The commands of a block: one, with the lines that go on with it, or a whole script."""
    if language == "sh":
        return ["\n".join(lines)]
    found, goes_on = [], False
    for line in lines:
        if goes_on or line.startswith("> "):
            found[-1] += "\n" + line.removeprefix("> ")
        elif language == "console":
            if not line.startswith("$ "):
                continue
            found.append(line[2:])
        elif line.strip():
            found.append(line.removeprefix("$ "))
        goes_on = line.endswith("\\")
    return found


def is_configuration(lines):
    """An indented block that is no command: a part of a file."""
    first = next(line for line in lines if line.strip())
    return bool(re.match(r"\[|#|option |[a-z-]+: |[a-z-]+ = ", first))


def simple_commands(script):
    """The words of each simple command."""
    lexer = shlex.shlex(re.sub(r"<<'END'.*?^END$", "", script, flags=re.S | re.M), posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace = " \t"
    lexer.whitespace_split = True
    words = []
    for word in lexer:
        if word and set(word) <= set("();|&\n"):
            if words:
                yield words
            words = []
        elif words or word not in ("do", "then", "else", "if", "while", "{", "}"):
            words.append(word)
    if words:
        yield words


def program(words):
    """The program and its arguments, without sudo and variables."""
    words = list(words)
    while words:
        if words[0] == "sudo":
            words = words[3:] if words[1] == "-u" else words[1:]
        elif re.match(r"[A-Za-z_][A-Za-z0-9_]*=", words[0]):
            words = words[1:]
        elif words[0] == "exec":
            words = words[1:]
        else:
            break
    return words


def platform(words):
    """What is wrong with the arguments of pcd-platform."""
    rest = [word for word in words if word not in OPTIONS[None]]
    for length in (3, 2, 1):
        name = " ".join(rest[:length])
        is_group = any(known and known.startswith(f"{name} ") for known in OPTIONS)
        if name in OPTIONS and not is_group:
            break
    else:
        if words[0].startswith("--") and words[0] in ("--version", "--help", "--json"):
            return
        yield f"no command: {' '.join(words)}"
        return
    for word in words:
        option = word.split("=")[0]
        if option.startswith("--") and len(option) > 2 and option not in OPTIONS[name] | OPTIONS[None] | {"--help"}:
            yield f"{name} has no option {option}"


@functools.cache
def kubectl_help(command):
    shown = subprocess.run([KUBECTL, *command.split(), "--help"], capture_output=True, text=True, check=False).stdout
    # Of an unknown one it shows the help of its group.
    if f"\n  kubectl {command} " not in shown or f"kubectl {command} SUBCOMMAND" in shown:
        return ""
    return shown + subprocess.run([KUBECTL, "options"], capture_output=True, text=True, check=True).stdout


def kubectl(words):
    before = words[: words.index("--")] if "--" in words else words
    plain = [word for word in before if not word.startswith("-")]
    # --namespace NAME comes first.
    if before[0] == "--namespace":
        plain = plain[1:]
    names = [" ".join(plain[:length]) for length in (3, 2, 1)]
    command = next((name for name in names if kubectl_help(name)), None)
    if command is None:
        yield f"no command: kubectl {names[1]}"
        return
    for word in before:
        if word.startswith("--") and f"{word.split('=')[0]}=" not in kubectl_help(command):
            yield f"kubectl {command} has no option {word}"
    if "--" in words:
        yield from platform(words[words.index("--") + 2 :])


def docker(words):
    command = next((known for known in DOCKER if words[: len(known.split())] == known.split()), None)
    if command is None:
        yield f"docker {' '.join(words[:2])} is not known"
        return
    rest, at = words[len(command.split()) :], 0
    while at < len(rest) and rest[at].startswith("--"):
        if rest[at] not in DOCKER[command]:
            yield f"docker {command} has no option {rest[at]}"
        takes_none = rest[at] in ("--rm", "--read-only", "--detach")
        at += 1 if takes_none else 2
    rest = rest[at:]
    if command.startswith("compose") and rest:
        with open(os.path.join(PROJECT, "deploy/container/compose.yml"), encoding="utf-8") as file:
            services = yaml.safe_load(file)["services"]
        if rest[0] not in services:
            yield f"compose has no service {rest[0]}"
    if command in ("exec", "compose exec"):
        yield from platform(rest[2:])
    elif command in ("run", "compose run") and len(rest) > 1:
        yield from platform(rest[1:])


def systemctl(words):
    names = [word for word in words if not word.startswith("-")]
    if names and names[0] not in SYSTEMCTL:
        yield f"systemctl {names[0]} is not known"
    for unit in names[1:]:
        unit = unit if "." in unit else f"{unit}.service"
        if unit.startswith("pcd-platform") and not os.path.exists(os.path.join(PROJECT, "deploy/systemd", unit)):
            yield f"there is no unit {unit}"


def apt(words):
    names = [word for word in words if not word.startswith("-")]
    if names[0] not in APT:
        yield f"apt-get {names[0]} is not known"


CHECKS = {"pcd-platform": platform, "kubectl": kubectl, "docker": docker, "systemctl": systemctl, "apt-get": apt}


def files(words):
    """Files of the project that do not exist."""
    for word in words:
        for path in re.findall(r"(?<![\w/.])(?:\./)?((?:deploy|scripts|tests)/[\w./*-]+)", word):
            if not any(os.path.exists(os.path.join(PROJECT, name)) for name in (path, path.split("*")[0].rstrip("/"))):
                if not os.path.isdir(os.path.join(PROJECT, os.path.dirname(path.split("*")[0]))) or "*" not in path:
                    yield f"there is no file {path}"


def main():
    faults, seen = [], collections.Counter()
    for page in pages():
        with open(os.path.join(PROJECT, page), encoding="utf-8") as file:
            text = file.read()
        for line, language, lines in blocks(text):
            if language not in ("", "sh", "console") or not language and is_configuration(lines):
                continue
            functions = set(re.findall(r"^(\w+)\(\)", text.replace("$ ", ""), flags=re.M))
            for script in commands(language, lines):
                understood = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
                if understood.returncode:
                    faults.append(f"{page}:{line}: {understood.stderr.strip()}")
                    continue
                script = re.sub(r"^\s*#.*", "", script, flags=re.M).replace("\\\n", " ")
                for words in simple_commands(re.sub(r"\$\(\([^)]*\)\)", "0", script)):
                    words = program(words)
                    if not words or words[0].startswith(("#", ">", "<")):
                        continue
                    name, found = words[0], []
                    if name in CHECKS:
                        found = list(CHECKS[name](words[1:]))
                    elif name not in PROGRAMS | functions and not name.startswith(("deploy/", "scripts/", "tests/", "/opt/")):
                        found = [f"the program {name} is not known"]
                    faults.extend(f"{page}:{line}: {fault}" for fault in [*found, *files(words)])
                    seen[name] += 1
    for fault in faults:
        print(fault)
    print(f"{sum(seen.values())} commands: " + ", ".join(f"{name} {count}" for name, count in seen.most_common(8)))
    sys.exit(bool(faults))


main()
