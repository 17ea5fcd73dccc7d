# Keeps one PostgreSQL cluster for the process that started this, and for as long as that process lives: it holds the other
# end of stdin, so that its end is seen here however it came about. Runs as an ordinary user; initdb insists on that.
#
# Arguments: the folder with PostgreSQL's programs, and a port; for a standby also the socket folder and the port of its
# primary. Prints the folder of the cluster, and a line after each
# command: start, stop (as an administrator does), quit (at once), crash (kill -9 of the postmaster), freeze, thaw; install and set
# change files of the cluster.
set -u
bin=$1 port=$2
# Without an answer nobody is deceived: the test that waits for one fails and shows what is in stderr.
root=$(mktemp -d "${TMPDIR:-/tmp}/pcd-postgres.XXXXXX") || exit 1
postmaster() { head -n 1 "$root/data/postmaster.pid" 2>/dev/null; }
stop() { "$bin/pg_ctl" -D "$root/data" -m "$1" -t 20 -w stop >>"$root/log" 2>&1; }
finish() { thaw; stop immediate; rm -rf "$root"; }
family() { pid=$(postmaster) && [ -n "$pid" ] && { echo "$pid"; ps -o pid= --ppid "$pid"; }; }
# The postmaster first, so that it starts no further process. A process that has just ended needs no signal.
freeze() {
    pid=$(postmaster) && kill -STOP "$pid" || return 1
    for child in $(ps -o pid= --ppid "$pid"); do kill -STOP "$child" 2>/dev/null; done
    return 0
}
thaw() { for pid in $(family); do kill -CONT "$pid" 2>/dev/null; done; }
trap 'finish; exit 1' INT TERM HUP

# Its backends notice the end of the postmaster when they wait next, and one may commit before that.
crash() {
    pids=$(family)
    kill -KILL "$(postmaster)" || return 1
    for pid in $pids; do
        for _ in $(seq 100); do
            case $(ps -o stat= -p "$pid") in '' | Z*) break ;; esac
            sleep 0.05
        done
    done
}

start() {
    # After a crash, processes of the old server may still be on their way out.
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        "$bin/pg_ctl" -D "$root/data" -l "$root/log" -t 30 -w start >>"$root/log" 2>&1 && return 0
        # On a busy disk its recovery may take longer than that.
        "$bin/pg_isready" -q -h "$root" -p "$port" && return 0
        sleep 0.3
    done
    cat "$root/log" >&2
    return 1
}

{
    if [ $# -gt 2 ]; then
        "$bin/pg_basebackup" -h "$3" -p "$4" -U postgres -D "$root/data" -R -c fast >"$root/log" 2>&1
    else
        "$bin/initdb" -D "$root/data" -U postgres -E UTF8 --no-locale -A trust --no-instructions >"$root/log" 2>&1
    fi &&
    cat >>"$root/data/postgresql.conf" <<CONF &&
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$root'
fsync = on
synchronous_commit = on
max_connections = 200
shared_buffers = 64MB
log_min_messages = warning
CONF
    cat >"$root/data/pg_hba.conf" <<HBA
local all all trust
local replication all trust
host all all 127.0.0.1/32 scram-sha-256
HBA
} || { cat "$root/log" >&2; rm -rf "$root"; exit 1; }

echo "$root"
while read -r word argument; do
    case $word in
        start) start && echo done ;;
        stop) stop fast && echo done ;;
        promote) "$bin/pg_ctl" -D "$root/data" -t 20 -w promote >>"$root/log" 2>&1 && echo done ;;
        quit) stop immediate && echo done ;;
        crash) crash && echo done ;;
        freeze) freeze && echo done ;;
        thaw) thaw; echo done ;;
        install) # name, and its content in base64
            printf '%s' "${argument#* }" | base64 -d >"$root/${argument%% *}" && chmod 600 "$root/${argument%% *}" && echo done ;;
        set) printf '%s\n' "$argument" >>"$root/data/postgresql.conf" && echo done ;;
    esac || echo failed
done
finish
