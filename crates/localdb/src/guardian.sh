# The guardian of one private Postgres: stops the server and removes its temporary directories if
# the process that owns them ends without doing so (kill -9, or an exit without destructors).
#
# usage: sh -c GUARDIAN caseload-guardian DATA_DIR SIGNAL [DIRECTORY...]
#   DATA_DIR   Postgres' data directory
#   SIGNAL     the signal to stop the postmaster with: INT (fast shutdown) or QUIT (immediate)
#   DIRECTORY  a directory to remove at the end
#
# Only the owner holds the other end of standard input. It writes
#   creating PID  an initdb or pg_basebackup has been started
#   running PID   a postmaster has been started
#   stopped       that process has ended, and its process id may be reused
#   done          nothing is left to clean up
# If the input ends without "done", the owner has died.

# Ctrl-C and the end of the terminal session are handled by the owner.
trap '' HUP INT QUIT TERM

data_dir=$1 signal=$2
shift 2

creating=
pid=
while read -r word number; do
    case $word in
    creating) creating=$number ;;
    running) pid=$number ;;
    stopped) creating='' pid='' ;;
    done) exit 0 ;;
    esac
done

# Succeeds while the postmaster runs. Postgres removes its pid file just before it ends. Without the
# file, the process id belongs to another process, or to one that has ended and is not reaped yet.
is_running() {
    read -r recorded <"$data_dir/postmaster.pid" && [ "$recorded" = "$pid" ] && kill -0 "$pid"
}

# Waits until the postmaster has ended, for at most 10 s.
has_ended() {
    tries=100
    while is_running; do
        [ "$tries" -gt 0 ] || return 1
        tries=$((tries - 1))
        sleep 0.1
    done
}

if [ -n "$pid" ]; then
    # A postmaster that was just started may not have written its pid file yet.
    tries=20
    until is_running || [ "$tries" -eq 0 ]; do
        kill -0 "$pid" || break
        tries=$((tries - 1))
        sleep 0.1
    done
    for shutdown in "$signal" QUIT KILL; do
        is_running || break
        kill -s "$shutdown" "$pid"
        kill -s CONT "$pid" # It may be paused.
        has_ended && break
    done
fi

# An initdb that outlived the owner ends within about a second. Removing its files earlier would
# make it crash, and leak shared memory.
tries=100
while [ -n "$creating" ] && kill -0 "$creating" && [ "$tries" -gt 0 ]; do
    tries=$((tries - 1))
    sleep 0.1
done

rm -rf -- "$@"
