#!/usr/bin/env bash
# Installs the package with dpkg into a root folder that holds nothing but glibc and a shell for its scripts, runs it
# there, installs it once more over itself, and removes it: nothing stays. usage: scripts/test_deb.sh [PACKAGE]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/empty_root.sh
deb=${1:-$(ls dist/glimt_*.deb)}

new_root
mkdir -p "$root"/{bin,usr,etc} "$root"/var/lib/dpkg/{info,updates,triggers} "$root/var/log"
touch "$root"/{usr,etc}/others  # dpkg removes folders that become empty
cp -L /bin/sh "$root/bin/sh"
add_glibc "$root/bin/sh"
# dpkg checks the dependency on glibc against what this machine has.
dpkg-query --status libc6 | sed 's/^Depends:.*//;/^$/d' > "$root/var/lib/dpkg/status"
printf '\n' >> "$root/var/lib/dpkg/status"
listing() { (cd "$root" && find . -path ./proc -prune -o -path ./var -prune -o -path ./tmp -prune -o -print | LC_ALL=C sort); }
# A user namespace has root's rights in it alone, where dpkg cannot give files away: it need not.
install_it() { "${enter[@]}" dpkg --root="$root" --force-not-root --log=/dev/null "$@" > "$root/tmp/dpkg.log" 2>&1 || { cat "$root/tmp/dpkg.log"; exit 1; }; }

listing > "$root/tmp/before"
install_it --install "$deb"
echo "ok: dpkg installs it"
expect "starts" '[0-9]+\.[0-9]+\.[0-9]+' /usr/bin/glimt --version
expect "finds the demo model and answers" '[[:alnum:]]' /usr/bin/glimt run demo "What is the capital of France?"
for file in usr/lib/systemd/system/glimt.service etc/default/glimt usr/share/man/man1/glimt-serve.1.gz usr/share/doc/glimt/copyright \
    usr/share/bash-completion/completions/glimt usr/share/zsh/vendor-completions/_glimt usr/share/fish/vendor_completions.d/glimt.fish; do
  [ -s "$root/$file" ] || { echo "FAILED: $file is not in the package"; exit 1; }
done
echo "ok: unit, man pages and completions are there"

echo 'GLIMT_MODEL=demo' > "$root/etc/default/glimt"
install_it --install "$deb"
grep -qx 'GLIMT_MODEL=demo' "$root/etc/default/glimt" || { echo "FAILED: an upgrade overwrites /etc/default/glimt"; exit 1; }
echo "ok: an upgrade keeps the configuration"
install_it --purge glimt
listing | diff "$root/tmp/before" - || { echo "FAILED: something stays behind"; exit 1; }
echo "ok: nothing stays after a purge"
