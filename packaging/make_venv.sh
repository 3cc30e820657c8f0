#!/bin/sh
# Makes a virtual environment, and names the one package that a bare Debian or Ubuntu lacks for it.
set -eu
python=$1
venv=$2

"$python" - <<'CHECK' || exit 2
import sys
if sys.version_info < (3, 10):
    sys.exit(f"faceguard needs Python 3.10 or newer, and {sys.executable} is "
             f"{sys.version.split()[0]}; try: make PYTHON=python3.12 ...")
CHECK

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing python3-venv, which Debian ships apart from Python"
        apt-get -qq update && apt-get -qq -y install python3-venv >/dev/null
    else
        echo "this Python cannot make virtual environments; run: sudo apt install python3-venv" >&2
        exit 2
    fi
fi
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
