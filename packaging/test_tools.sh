#!/bin/sh
# Installs what some tests need beyond Python: GStreamer with its RTSP server, through Debian's own
# Python, FUSE for trees that stand for a board's sensors, and a browser for the service's page.
# Where that cannot be done, those tests skip and say why.
set -eu
fuse=libfuse2
# Ubuntu 24.04 renamed it.
apt-cache show libfuse2t64 >/dev/null 2>&1 && fuse=libfuse2t64
packages="python3-gi gir1.2-gst-rtsp-server-1.0 gir1.2-gst-plugins-base-1.0
    gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
    gstreamer1.0-plugins-ugly gcc libc6-dev $fuse"
# The least that Debian has: no window, no driver. Any other browser of this family will do.
browser=chromium-headless-shell

command -v dpkg-query >/dev/null || exit 0
missing=""
for package in $packages; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -q '^installed$' ||
        missing="$missing $package"
done
for name in "$browser" chrome-headless-shell chromium google-chrome google-chrome-stable; do
    command -v "$name" >/dev/null && browser=""
done
[ -n "$missing$browser" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get -qq update >/dev/null || true
    # Ubuntu has it as a snap alone: what is not there must not keep the rest from being installed.
    if [ -n "$browser" ] && apt-cache show "$browser" >/dev/null 2>&1; then
        missing="$missing $browser"
    fi
    [ -n "$missing" ] || exit 0
    echo "installing for tests:$missing"
    # shellcheck disable=SC2086 # a list of words
    if apt-get -qq -y install --no-install-recommends $missing >/dev/null; then
        exit 0
    fi
    echo "that did not work; tests that need them are skipped"
else
    echo "some tests are skipped; for them: sudo apt install$missing $browser"
fi
