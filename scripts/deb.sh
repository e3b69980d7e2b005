#!/usr/bin/env bash
# Makes dist/glimt_VERSION_ARCH.deb from the folder that scripts/dist.sh has left in dist/: the program with its libraries
# in /usr/lib/glimt, a systemd unit, man pages, completions, the proxies' configurations as examples, all licences.
# environment: BUILD_DIR (default build)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=$(sed -n 's/^project(glimt VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
packed=dist/glimt-$version-linux-$(uname -m)
architecture=$(dpkg --print-architecture)
deb=dist/glimt_${version}_$architecture.deb
[ -x "$packed/bin/glimt" ] || { echo "deb: $packed is not there: run scripts/dist.sh first" >&2; exit 1; }
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2> /dev/null || date +%s)}
export SOURCE_DATE_EPOCH

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
umask 022
mkdir -p "$root"/DEBIAN "$root"/usr/{bin,lib/glimt,lib/systemd/system} "$root"/etc/default
doc=$root/usr/share/doc/glimt
mkdir -p "$doc/examples"

cp -r "$packed"/{bin,lib,models} "$root/usr/lib/glimt/"
ln -s ../lib/glimt/bin/glimt "$root/usr/bin/glimt"
install -m 644 packaging/systemd/glimt.service "$root/usr/lib/systemd/system/glimt.service"
install -m 644 packaging/systemd/glimt.default "$root/etc/default/glimt"

install -d "$root"/usr/share/{man/man1,bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}
install -m 644 "$packed"/share/man/man1/*.1 "$root/usr/share/man/man1/"
gzip -9n "$root"/usr/share/man/man1/*.1
install -m 644 "$packed/share/bash-completion/completions/glimt" "$root/usr/share/bash-completion/completions/glimt"
install -m 644 "$packed/share/zsh/site-functions/_glimt" "$root/usr/share/zsh/vendor-completions/_glimt"
install -m 644 "$packed/share/fish/vendor_completions.d/glimt.fish" "$root/usr/share/fish/vendor_completions.d/glimt.fish"

cp -r packaging/{haproxy,nginx,kubernetes,container} "$doc/examples/"
cp -r "$packed"/{README.md,LICENSE,NOTICE.md,licenses} "$doc/"
cp CHANGELOG.md "$doc/"
cat > "$doc/copyright" << 'END'
Copyright: the glimt developers
License: Apache-2.0, which is in /usr/share/common-licenses/Apache-2.0 on Debian.

What it is built from is listed in NOTICE.md beside this file, and all licence texts are in licenses/.
END

needs=$(objdump -T "$packed/bin/glimt" "$packed"/lib/* | grep -o 'GLIBC_2\.[0-9]*' | sort -uV | tail -n1)
cat > "$root/DEBIAN/control" << END
Package: glimt
Version: $version
Architecture: $architecture
Maintainer: The glimt developers <glimt@localhost.invalid>
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Depends: libc6 (>= ${needs#GLIBC_})
Recommends: ca-certificates
Section: utils
Priority: optional
Description: inference engine and server for GLM-4.7-Flash
 Runs GLM4-MoE-Lite models on CPUs: chat in the terminal, and a server with the
 APIs of OpenAI, Anthropic and Ollama. The service is not started by itself: see
 /etc/default/glimt and systemctl enable --now glimt.
END
echo /etc/default/glimt > "$root/DEBIAN/conffiles"
cat > "$root/DEBIAN/postinst" << 'END'
#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload || true
  [ -z "$2" ] || systemctl try-restart glimt.service || true
fi
END
cat > "$root/DEBIAN/prerm" << 'END'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl disable --now glimt.service || true
fi
END
cat > "$root/DEBIAN/postrm" << 'END'
#!/bin/sh
set -e
[ ! -d /run/systemd/system ] || systemctl --system daemon-reload || true
END
chmod 755 "$root"/DEBIAN/{postinst,prerm,postrm}
(cd "$root" && find usr etc -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) > "$root/DEBIAN/md5sums"

dpkg-deb --root-owner-group -Zxz -z0 --build "$root" "$deb" > /dev/null
echo "==> $deb: $(du -h "$deb" | cut -f1), needs libc6 ${needs#GLIBC_} or newer"
