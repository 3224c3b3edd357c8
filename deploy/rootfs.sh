#!/bin/sh
# Makes the file system of the image: the host, its tools, the libraries that the host is linked to, and nothing else: no
# shell, no package manager, no certificates (the cluster's CA is projected into the pod). The Dockerfile runs it, and so
# does CI, which has no container daemon.
#
#   deploy/rootfs.sh FOLDER [BINARY] [TOOLS]
#
# $STRIP is the program of another architecture's binutils. A static program has no libraries to copy.
set -eu
root=$1
binary=${2:-target/release/porthole}
tools=${3:-plugins/dist}

mkdir -p "$root/usr/local/bin" "$root/plugins" "$root/etc" "$root/var/cache/porthole" "$root/tmp"
"${STRIP:-strip}" -o "$root/usr/local/bin/porthole" "$binary"
cp "$tools"/*.wasm "$root/plugins/"

# "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)" and, for the loader, "/lib64/ld-linux-x86-64.so.2 (0x…)".
ldd "$binary" | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done

echo 'porthole:x:65532:65532:Porthole:/nonexistent:/nonexistent' > "$root/etc/passwd"
echo 'porthole:x:65532:' > "$root/etc/group"
# Where the pod mounts an emptyDir; without one the user can write here.
chmod 1777 "$root/var/cache/porthole" "$root/tmp"
