#!/usr/bin/env bash
# Runs the packed program in a root folder that holds nothing but the package and glibc: no Python, no shell, no
# libstdc++, no BLAS. usage: scripts/test_dist.sh [TARBALL]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/sbin:/sbin  # chroot
tarball=${1:-$(ls dist/glimt-*.tar.gz)}

# The program needs /proc ($ORIGIN in its run path), so it gets a chroot and a new mount namespace; as another user, a user
# namespace gives both where the kernel allows. Root inside a chroot has no mount namespace: there /proc is mounted openly.
openly=no
if [ "$(id -u)" = 0 ]; then enter=(unshare --mount); else enter=(unshare --user --map-root-user --mount); fi
if ! "${enter[@]}" chroot / true 2> /dev/null; then
  enter=(env) openly=yes
  if ! chroot / true 2> /dev/null; then
    echo "test_dist: SKIPPED, this machine allows neither chroot nor user namespaces"
    exit 0
  fi
fi

root=$(mktemp -d)
trap 'if [ $openly = yes ]; then umount "$root/proc"; fi && rm -rf --one-file-system "$root"' EXIT
mkdir -p "$root"/{proc,dev,tmp,opt,home}
if [ $openly = yes ]; then mount --bind /proc "$root/proc"; fi
tar -xzf "$tarball" -C "$root/opt"
# Another place than where it was made, with a space in its name.
place="/opt/some where"
mv "$root"/opt/glimt-* "$root$place"
loader=$(readelf -l "$root$place/bin/glimt" | sed -n 's/.*program interpreter: \(.*\)]/\1/p')
mkdir -p "$root$(dirname "$loader")"
cp -L "$loader" "$root$loader"
glibc=$(ldd "$root$place/bin/glimt" | sed -n 's/^\tlibc.so.6 => \(.*\)\/libc.so.6 .*/\1/p')
for name in libc.so.6 libm.so.6 libdl.so.2 librt.so.1 libpthread.so.0 libresolv.so.2 libutil.so.1; do
  [ ! -e "$glibc/$name" ] || cp -L "$glibc/$name" "$root$(dirname "$loader")/"
done
mkdir -p "$root/lib"
[ "$(dirname "$loader")" = /lib ] || cp -L "$root$(dirname "$loader")"/*.so.* "$root/lib/"

inside() {
  # shellcheck disable=SC2016  # expanded by the inner shell
  "${enter[@]}" bash -c '[ "$2" = yes ] || mount --rbind /proc "$1/proc"; root=$1; shift 2; exec env -i HOME=/home "$(command -v chroot)" "$root" "$@"' \
    inside "$root" $openly "$@"
}
expect() {  # expect WHAT PATTERN COMMAND...
  local what=$1 pattern=$2 output
  shift 2
  if output=$(inside "$@" 2>&1 < /dev/null) && grep -qE -- "$pattern" <<< "$output"; then
    echo "ok: $what"
  else
    printf 'FAILED: %s\n%s\n' "$what" "$output"
    exit 1
  fi
}

glimt="$place/bin/glimt" model="$place/models/demo"
expect "starts" '[0-9]+\.[0-9]+\.[0-9]+' "$glimt" --version
expect "shows the demo model" 'Glm4MoeLite|GLM4MoeLite' "$glimt" show "$model"
expect "answers a question" '[[:alnum:]]' "$glimt" run "$model" "What is the capital of France?"
echo "$(basename "$tarball") runs in an empty root with only $(find "$root/lib" "$root$(dirname "$loader")" -type f -printf '%f\n' | sort -u | paste -sd' ')"
