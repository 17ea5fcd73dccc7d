# Keeps two PostgreSQL servers, a and b, for the process that started this, and for as long as that process lives: it
# holds the other end of stdin, so that its end is seen here however it came about. Runs as an ordinary user; initdb
# insists on that.
#
# Arguments: the folder with PostgreSQL's programs, and a port. Prints the folder of both, and a line after each
# command. Clients connect to the socket in `current`, which leads to one of the two.
set -u
bin=$1 port=$2
root=$(mktemp -d "${TMPDIR:-/tmp}/pcd-outages.XXXXXX") || exit 1
log() { cat "$root"/?/log >&2; }
control() { name=$1 && shift && "$bin/pg_ctl" -D "$root/$name/data" -t 60 -w "$@" >>"$root/$name/log" 2>&1; }
postmaster() { head -n 1 "$root/$1/data/postmaster.pid" 2>/dev/null; }
family() { pid=$(postmaster "$1") && [ -n "$pid" ] && { echo "$pid"; ps -o pid= --ppid "$pid"; }; }
# The postmaster first, so that it starts no further process. A process that has just ended needs no signal.
signal() {
    pid=$(postmaster "$2") && [ -n "$pid" ] && kill "-$1" "$pid" 2>/dev/null || return 1
    for child in $(ps -o pid= --ppid "$pid"); do kill "-$1" "$child" 2>/dev/null; done
    return 0
}
finish() {
    for name in a b; do signal CONT "$name"; control "$name" -m immediate stop; done
    rm -rf "$root"
}
trap 'finish; exit 1' INT TERM HUP

create() {
    "$bin/initdb" -D "$root/a/data" -U postgres -E UTF8 --no-locale -A trust --wal-segsize 1 --no-sync >"$root/a/log" 2>&1 &&
    cat >>"$root/a/data/postgresql.conf" <<CONF
listen_addresses = ''
port = $port
unix_socket_directories = '$root/a'
fsync = on
synchronous_commit = on
hot_standby = on
wal_keep_size = '64MB'
max_wal_size = '32MB'
wal_recycle = off
max_connections = 60
shared_buffers = 32MB
log_min_messages = warning
CONF
}

# As its own disk: what is there can be written, and nothing grows while its fault says so.
start() {
    for _ in $(seq 100); do
        # After a fault it may be recovering, or on its way out.
        if kill -0 "$(postmaster "$1")" 2>/dev/null; then
            "$bin/pg_isready" -q -h "$root/$1" -p "$port" && return 0
        else
            LD_PRELOAD=$root/$1/faulty_disk.so PCD_TEST_DISK_FAULT=$root/$1/disk-fault \
                control "$1" -l "$root/$1/log" start && return 0
        fi
        sleep 0.1
    done
    return 1
}

# Its backends notice the end of the postmaster when they wait next, and one may commit before that.
crash() {
    pids=$(family "$1")
    kill -KILL "$(postmaster "$1")" || return 1
    for pid in $pids; do
        for _ in $(seq 100); do
            case $(ps -o stat= -p "$pid") in '' | Z*) break ;; esac
            sleep 0.05
        done
    done
}

# clone TO FROM: a standby that follows, in place of one that may still run.
clone() {
    [ -z "$(postmaster "$1")" ] || control "$1" -m immediate stop
    rm -rf "$root/$1/data" && "$bin/pg_basebackup" -D "$root/$1/data" -R -c fast -X stream --no-sync \
        -h "$root/$2" -p "$port" -U postgres >>"$root/$1/log" 2>&1 &&
    printf "unix_socket_directories = '%s'\n" "$root/$1" >>"$root/$1/data/postgresql.conf"
}

mkdir "$root/a" "$root/b" && touch "$root/b/log" && create && ln -s "$root/a" "$root/current" || { log; rm -rf "$root"; exit 1; }
echo "$root"
while read -r word name argument; do
    case $word in
        start) start "$name" && echo done ;;
        stop) control "$name" -m "$argument" stop && echo done ;;
        crash) crash "$name" && echo done ;;
        freeze) signal STOP "$name" && echo done ;;
        thaw) signal CONT "$name" && echo done ;;
        clone) clone "$name" "$argument" && echo done ;;
        promote) control "$name" promote && echo done ;;
        lead) ln -sfn "$root/$name" "$root/current" && echo done ;;
    esac || { log; echo failed; }
done
finish
