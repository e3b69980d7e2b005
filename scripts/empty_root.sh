#!/usr/bin/env bash
# Sourced by test_dist.sh and test_deb.sh: a root folder with glibc and nothing else, and commands that run in it.
#   new_root       makes $root, which goes when the script ends; says SKIPPED and exits 0 where no chroot is allowed
#   add_glibc      copies the loader and glibc's libraries into it
#   inside CMD…    runs a command in it, without environment
#   expect WHAT PATTERN CMD…   the same; fails unless it succeeds and its output matches
PATH=$PATH:/usr/sbin:/sbin  # chroot

# The program needs /proc ($ORIGIN in its run path), so it gets a chroot and a new mount namespace; as another user, a user
# namespace gives both where the kernel allows. Root inside a chroot has no mount namespace: there /proc is mounted openly.
new_root() {
  openly=no
  if [ "$(id -u)" = 0 ]; then enter=(unshare --mount); else enter=(unshare --user --map-root-user --mount); fi
  if ! "${enter[@]}" chroot / true 2> /dev/null; then
    enter=(env) openly=yes
    if ! chroot / true 2> /dev/null; then
      echo "$(basename "$0" .sh): SKIPPED, this machine allows neither chroot nor user namespaces"
      exit 0
    fi
  fi
  root=$(mktemp -d)
  trap 'if [ $openly = yes ]; then umount "$root/proc"; fi && rm -rf --one-file-system "$root"' EXIT
  mkdir -p "$root"/{proc,dev,tmp,opt,home,lib}
  if [ $openly = yes ]; then mount --bind /proc "$root/proc"; fi
}

add_glibc() {  # add_glibc PROGRAM: the one whose loader and glibc are meant
  local loader glibc name
  loader=$(readelf -l "$1" | sed -n 's/.*program interpreter: \(.*\)]/\1/p')
  mkdir -p "$root$(dirname "$loader")"
  cp -L "$loader" "$root$loader"
  glibc=$(ldd "$1" | sed -n 's/^\tlibc.so.6 => \(.*\)\/libc.so.6 .*/\1/p')
  for name in libc.so.6 libm.so.6 libdl.so.2 librt.so.1 libpthread.so.0 libresolv.so.2 libutil.so.1; do
    [ ! -e "$glibc/$name" ] || cp -L "$glibc/$name" "$root$(dirname "$loader")/"
  done
  [ "$(dirname "$loader")" = /lib ] || cp -L "$root$(dirname "$loader")"/*.so.* "$root/lib/"
}

inside() {
  # shellcheck disable=SC2016  # expanded by the inner shell
  "${enter[@]}" bash -c '[ "$2" = yes ] || mount --rbind /proc "$1/proc"; root=$1; shift 2; exec env -i HOME=/home "$(command -v chroot)" "$root" "$@"' \
    inside "$root" "$openly" "$@"
}

expect() {
  local what=$1 pattern=$2 output
  shift 2
  if output=$(inside "$@" 2>&1 < /dev/null) && grep -qE -- "$pattern" <<< "$output"; then
    echo "ok: $what"
  else
    printf 'FAILED: %s\n%s\n' "$what" "$output"
    exit 1
  fi
}
