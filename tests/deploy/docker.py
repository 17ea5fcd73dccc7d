"""What docs/howto/install-container.md uses of `docker`, for a machine that has no engine.

    docker.py volume create NAME
    docker.py run [--rm] [--detach] [--name NAME] [--read-only] [--env NAME=VALUE] [--volume NAME:FOLDER] IMAGE [WORD...]
    docker.py exec NAME WORD...

A container is the root file system of the image in namespaces of its own, with the user, the folder and the program that the
Dockerfile names, and with what an engine gives it: /proc and a host name. Nothing can be written but its volumes. Its network has
loopback and nothing more, whatever it publishes. DOCKER_ROOT is the root file system of the only image, DOCKER_STATE a folder for
volumes and containers: DOCKER_STATE/NAME has the process whose namespaces the container NAME has, and DOCKER_STATE/NAME.log its
output. Needs root.
"""
import os
import secrets
import subprocess
import sys
import time

ROOT, STATE = os.environ["DOCKER_ROOT"], os.environ["DOCKER_STATE"]
USER, WORKDIR, PROGRAM, COMMAND = 65532, "/var/lib/pcd-platform", "/usr/bin/pcd-platform", ["serve"]
WITHOUT_VALUE = {"--rm", "--detach", "--read-only"}
# Ends as a process that keeps the mounts: $0 is the root, $1 the host name, then each volume with its folder.
CONTAINER = """
    ip link set lo up
    hostname "$1"; shift
    mount --make-rprivate /
    mount --bind "$0" "$0"
    while [ $# -gt 0 ]; do mount --bind "$1" "$0$2"; shift 2; done
    mount -t proc proc "$0/proc"
    mount -o remount,ro,bind "$0"
    exec sleep infinity"""


def state(name):
    return os.path.join(STATE, name)


def become(environment, words):
    """In the namespaces of a container. The change of the user takes the capabilities away."""
    os.chroot(ROOT)
    os.chdir(WORKDIR)
    os.setgroups([])
    os.setgid(USER)
    os.setuid(USER)
    path = words[0] if "/" in words[0] else os.path.join("/usr/bin", words[0])
    os.execve(path, words, {"PATH": "/usr/sbin:/usr/bin", **dict(of.split("=", 1) for of in environment)})


def inside(name, words):
    """The command line that runs words in the container."""
    with open(state(name), encoding="utf-8") as file:
        process, *environment = file.read().splitlines()
    return ["nsenter", "--target", process, "--mount", "--net", "--ipc", "--uts", "--", sys.executable, __file__, "become",
            str(len(environment)), *environment, *words]


def run(words):
    options, volumes, environment, name = set(), [], [], secrets.token_hex(6)
    while words and words[0].startswith("--"):
        option = words.pop(0)
        options.add(option)
        if option in WITHOUT_VALUE:
            continue
        value = words.pop(0)
        if option == "--env":
            environment.append(value)
        elif option == "--volume":
            volume, folder = value.split(":")
            volumes += [state(f"volume-{volume}"), folder]
        elif option == "--name":
            name = value
    if "--read-only" not in options:
        sys.exit("docker: only a root that is read-only is known here")
    words = [PROGRAM, *(words[1:] or COMMAND)]
    keeper = subprocess.Popen(
        ["unshare", "--mount", "--net", "--ipc", "--uts", "bash", "-euc", CONTAINER, ROOT, secrets.token_hex(6), *volumes],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
    )
    comm = f"/proc/{keeper.pid}/comm"
    while keeper.poll() is None and open(comm, encoding="ascii").read() != "sleep\n":
        time.sleep(0.01)
    with open(state(name), "w", encoding="utf-8") as file:
        print(keeper.pid, *environment, sep="\n", file=file)
    if "--detach" in options:
        with open(state(f"{name}.log"), "w", encoding="utf-8") as log:
            subprocess.Popen(inside(name, words), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        print(name)
        return 0
    status = subprocess.run(inside(name, words), check=False).returncode
    keeper.kill()
    os.remove(state(name))
    return status


def main():
    match sys.argv[1:]:
        case ["become", count, *rest]:
            become(rest[: int(count)], rest[int(count) :])
        case ["volume", "create", name]:
            # As an engine does: with the owner of the folder in the image.
            os.makedirs(state(f"volume-{name}"), mode=0o700)
            os.chown(state(f"volume-{name}"), USER, USER)
            print(name)
        case ["run", *words]:
            sys.exit(run(words))
        case ["exec", name, *words]:
            sys.exit(subprocess.run(inside(name, words), check=False).returncode)
        case _:
            sys.exit(f"docker: not known here: {' '.join(sys.argv[1:])}")


main()
