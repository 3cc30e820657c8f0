#!/bin/sh
# Drill: the V4L2 camera against the kernel's own test driver, vivid, in a virtual machine.
#
#   sudo packaging/drills/v4l2_vivid.sh [FOLDER]
#
# Needs qemu-system-x86_64, debootstrap, cpio, pip and about 3 GB in FOLDER (default: a new one
# under /tmp), which is kept and used again. Exits 0 when each line of the report is right.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
folder=${1:-$(mktemp -d /tmp/v4l2-vivid.XXXXXX)}
suite=bookworm
python=3.11 # of that suite
root=$folder/root
mkdir -p "$folder"
echo "in $folder"

if [ ! -e "$root/etc/debian_version" ]; then
    debootstrap --variant=minbase --include=python3,kmod,v4l-utils "$suite" "$root" \
        > "$folder/debootstrap.log" 2>&1
fi
if [ ! -e "$folder/vmlinuz" ]; then
    # The full kernel: the one for clouds has no vivid.
    chroot "$root" apt-get update -qq
    kernel=$(chroot "$root" apt-cache depends linux-image-amd64 |
        sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    chroot "$root" sh -c "cd /tmp && apt-get download -qq $kernel"
    dpkg-deb -x "$root"/tmp/linux-image-*.deb "$folder/kernel"
    rm "$root"/tmp/linux-image-*.deb
    cp "$folder"/kernel/boot/vmlinuz-* "$folder/vmlinuz"
    rm -rf "$root/lib/modules"
    mv "$folder/kernel/lib/modules" "$root/lib/modules"
    # Only what a camera needs; the rest would fill the machine's memory.
    release=$(ls "$root/lib/modules")
    find "$root/lib/modules/$release/kernel" -mindepth 1 -maxdepth 1 -type d \
        ! -name drivers -exec rm -rf {} +
    find "$root/lib/modules/$release/kernel/drivers" -mindepth 1 -maxdepth 1 \
        ! -name media -exec rm -rf {} +
    chroot "$root" depmod "$release"
    chroot "$root" apt-get clean
fi
if [ ! -d "$root/opt/site/av" ]; then
    "${PYTHON:-python3}" -m pip install --quiet --target "$root/opt/site" \
        --python-version "$python" --implementation cp --only-binary :all: \
        "av>=14" numpy opencv-python-headless pydantic pyyaml prometheus-client
fi
rm -rf "$root/opt/site/faceguard"
mkdir -p "$root/opt/site/faceguard"
for floor in edge engines; do
    cp -R "$repository/$floor" "$root/opt/site/faceguard/$floor"
done
cp "$here/v4l2_vivid.py" "$root/opt/drill.py"
cat > "$root/init" <<'INIT'
#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2> /dev/null
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0
PYTHONPATH=/opt/site PYTHONDONTWRITEBYTECODE=1 python3 /opt/drill.py
echo o > /proc/sysrq-trigger
sleep 60
INIT
chmod +x "$root/init"
(cd "$root" && find . -path ./var/cache -prune -o -path ./var/lib/apt -prune -o -print |
    cpio --quiet -o -H newc) > "$folder/initrd"

# A machine that is emulated is slow but runs everywhere; KVM=1 takes the processor's own way, which
# some machines that are virtual themselves only seem to have.
processor="-cpu max"
if [ "${KVM:-0}" = 1 ]; then processor="-enable-kvm -cpu host"; fi
# shellcheck disable=SC2086 - several words on purpose
timeout 600 qemu-system-x86_64 $processor -m 4G -smp 2 -nographic -no-reboot -nic none \
    -kernel "$folder/vmlinuz" -initrd "$folder/initrd" \
    -append "console=ttyS0 quiet panic=-1 rdinit=/init" < /dev/null > "$folder/console.log" 2>&1 ||
    true
tr -d '\r' < "$folder/console.log" | sed -n 's/^.*drill: //p'
tr -d '\r' < "$folder/console.log" | grep -q "drill: all is right"
