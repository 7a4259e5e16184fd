#!/bin/sh
# Installs the FTP servers that tests/interop talks to, the clients that talk to the simulator, and what makes a link
# with a round-trip time, on Debian and Ubuntu. Needs root; may be run again.
#
# Debian's FTP servers conflict as packages: proftpd is installed, vsftpd is unpacked beside it.
#   VSFTPD_FOLDER   where vsftpd goes; by default the project's own cache, where the tests look for it
set -eu

folder=${VSFTPD_FOLDER:-${XDG_CACHE_HOME:-$HOME/.cache}/airflow-provider-icsftps/vsftpd}

if [ "$(id -u)" -ne 0 ]; then
    echo "$0 needs root" >&2
    exit 1
fi

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=
for package in proftpd-core proftpd-mod-crypto libpam-pwdfile libwrap0 curl iproute2 lftp; do
    installed "$package" || missing="$missing $package"
done
if [ -n "$missing" ] || [ ! -x "$folder/usr/sbin/vsftpd" ]; then
    apt-get update -qq
fi
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086  # several words on purpose
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
fi
if [ ! -x "$folder/usr/sbin/vsftpd" ]; then
    download=$(mktemp -d)
    trap 'rm -rf "$download"' EXIT
    (cd "$download" && apt-get download -qq -o APT::Sandbox::User=root vsftpd)
    mkdir -p "$folder"
    dpkg -x "$download"/vsftpd_*.deb "$folder"
fi

echo "proftpd: $(command -v proftpd)"
echo "vsftpd: $folder/usr/sbin/vsftpd"
