# The guardian of one private Postgres: a process beside the one that owns it, which stops the server
# and removes its temporary directories when the owner ends without having done so (kill -9, or an
# exit that runs no destructors).
#
# usage: sh -c GUARDIAN caseload-guardian DATA_DIR SIGNAL [DIRECTORY...]
#   DATA_DIR   Postgres' data directory
#   SIGNAL     what to send to the postmaster: INT (fast shutdown) or QUIT (immediate)
#   DIRECTORY  what to remove in the end
#
# Only the owner holds the other end of standard input. It writes
#   making PID    an initdb has been started
#   running PID   a postmaster has been started
#   stopped       the one or the other is gone, and its number may soon be another's
#   done          nothing is left to guard
# and where the input ends without "done", the owner is dead.

# A Ctrl-C, or the end of the terminal session, is the owner's business.
trap '' HUP INT QUIT TERM

data_dir=$1 signal=$2
shift 2

initdb=
pid=
while read -r word number; do
    case $word in
    making) initdb=$number ;;
    running) pid=$number ;;
    stopped) initdb='' pid='' ;;
    done) exit 0 ;;
    esac
done

# Whether it lives. Postgres removes its pid file as the last thing it does, so the file tells it from
# another process with the same number, and from one that has ended and is not yet reaped.
lives() {
    read -r recorded <"$data_dir/postmaster.pid" && [ "$recorded" = "$pid" ] && kill -0 "$pid"
}

# Waits for its end, for at most 10 s.
has_ended() {
    tries=100
    while lives; do
        [ "$tries" -gt 0 ] || return 1
        tries=$((tries - 1))
        sleep 0.1
    done
}

if [ -n "$pid" ]; then
    # One that has only just been started may not have written its pid file yet.
    tries=20
    until lives || [ "$tries" -eq 0 ]; do
        kill -0 "$pid" || break
        tries=$((tries - 1))
        sleep 0.1
    done
    for shutdown in "$signal" QUIT KILL; do
        lives || break
        kill -s "$shutdown" "$pid"
        kill -s CONT "$pid" # It may have been paused.
        has_ended && break
    done
fi

# An initdb that outlived the owner ends by itself, in about a second. Taking its files away before
# would make it crash, and leave shared memory behind.
tries=100
while [ -n "$initdb" ] && kill -0 "$initdb" && [ "$tries" -gt 0 ]; do
    tries=$((tries - 1))
    sleep 0.1
done

rm -rf -- "$@"
