#!/bin/sh
# Installs PostgreSQL and Redis, which tests/system/test_celery.py starts itself, and Chromium, which
# tests/system/test_pictures.py looks at Airflow's pages with, on Debian. Needs root; may be run again.
#
# No service is started, now or at boot: PostgreSQL gets no cluster of the system's, and Redis comes without its
# service (in redis-tools the server is there under another name).
set -eu

if [ "$(id -u)" -ne 0 ]; then
    echo "$0 needs root" >&2
    exit 1
fi

missing=
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
command -v redis-server >/dev/null || command -v redis-check-rdb >/dev/null || missing="$missing redis-tools"
command -v chromium >/dev/null || missing="$missing chromium fonts-dejavu-core"
command -v dot >/dev/null || missing="$missing graphviz"
command -v chromedriver >/dev/null || missing="$missing chromium-driver"
if [ -n "$missing" ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    case $missing in *postgresql*)
        apt-get install -y -qq --no-install-recommends postgresql-common
        mkdir -p /etc/postgresql-common/createcluster.d
        echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/no-main-cluster.conf
        ;;
    esac
    # shellcheck disable=SC2086  # several words on purpose
    apt-get install -y -qq --no-install-recommends $missing
fi

echo "PostgreSQL: $(ls -d /usr/lib/postgresql/*/bin | tail -n 1)"
echo "Redis: $(command -v redis-server || command -v redis-check-rdb)"
echo "Chromium: $(command -v chromium) $(command -v chromedriver)"
