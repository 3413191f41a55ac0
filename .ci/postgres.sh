#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A private, throw-away PostgreSQL for the conformance suite of package store.
#   eval "$(.ci/postgres.sh start)"   starts it and sets TICKMARK_TEST_POSTGRES
#   .ci/postgres.sh stop              stops it and removes its files
# It listens on a Unix socket only. Debian's postgresql is installed if absent.
set -eu
dir=${TICKMARK_POSTGRES_DIR:-${TMPDIR:-/tmp}/tickmark-postgres-$(id -u)}

bin() {
    for b in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV); do
        [ -x "$b/initdb" ] && echo "$b" && return
    done
    return 1
}

# PostgreSQL does not run as root.
as() { if [ "$(id -u)" = 0 ]; then su postgres -s /bin/sh -c "$1"; else sh -c "$1"; fi; }

case ${1:-} in
start)
    if ! bin >/dev/null; then
        [ "$(id -u)" = 0 ] || { echo "postgres.sh: PostgreSQL is not installed; run once as root" >&2; exit 1; }
        # Debian would start a server of its own; we do not want one.
        export DEBIAN_FRONTEND=noninteractive
        { apt-get update && apt-get install -y --no-install-recommends postgresql-common && sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf && apt-get install -y --no-install-recommends postgresql; } >&2
    fi
    b=$(bin)
    if [ ! -d "$dir/data" ]; then
        mkdir -p "$dir"
        [ "$(id -u)" != 0 ] || chown postgres "$dir"
        chmod 700 "$dir"
        as "'$b/initdb' -D '$dir/data' -A trust -U tickmark -E UTF8 --locale=C.UTF-8" >&2
    fi
    as "'$b/pg_ctl' -D '$dir/data' -l '$dir/log' -w -o \"-c listen_addresses='' -c unix_socket_directories='$dir' -c max_connections=200\" status" >/dev/null 2>&1 ||
        as "'$b/pg_ctl' -D '$dir/data' -l '$dir/log' -w -o \"-c listen_addresses='' -c unix_socket_directories='$dir' -c max_connections=200\" start" >&2
    echo "export TICKMARK_TEST_POSTGRES='postgres://tickmark@/postgres?host=$dir'"
    ;;
stop)
    b=$(bin)
    [ ! -d "$dir/data" ] || as "'$b/pg_ctl' -D '$dir/data' -m fast -w stop" >&2 || true
    rm -rf "$dir"
    ;;
*)
    echo "usage: postgres.sh start|stop" >&2
    exit 2
    ;;
esac
