#!/usr/bin/env bash
# Packs build/glimt with every shared library that it needs except glibc's own, and the demo model, into
# dist/glimt-VERSION-linux-ARCH.tar.gz. The folder may lie anywhere: the run paths are relative to the program.
# environment: BUILD_DIR (default build)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:$HOME/.cargo/bin
build_dir=${BUILD_DIR:-build}
version=$(sed -n 's/^project(glimt VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
name=glimt-$version-linux-$(uname -m)
folder=dist/$name
rm -rf "$folder" "dist/$name.tar.gz"
mkdir -p "$folder/bin" "$folder/lib" "$folder/models"

echo "==> program"
install -m 755 "$build_dir/glimt" "$folder/bin/glimt"
strip --strip-unneeded "$folder/bin/glimt"

echo "==> libraries"
# glibc stays the machine's: its parts must match its loader and kernel.
glibc='^(ld-linux[^ ]*|libc|libm|libdl|librt|libpthread|libresolv|libutil|libanl|libnss_[a-z]*)\.so'
libraries=()
while read -r soname path; do
  [[ $soname =~ $glibc ]] && continue
  [ -f "$path" ] || { echo "dist: $soname was not found" >&2; exit 1; }
  install -m 644 "$path" "$folder/lib/$soname"
  libraries+=("$path")
done < <(ldd "$build_dir/glimt" | sed -n 's/^\t\([^ ]*\) => \([^ ]*\)\( (.*)\)\?$/\1 \2/p')
# RPATH and not RUNPATH: it also serves what the libraries load, and LD_LIBRARY_PATH of the machine cannot break it.
patchelf --force-rpath --set-rpath "\$ORIGIN/../lib" "$folder/bin/glimt"
for library in "$folder"/lib/*; do
  patchelf --force-rpath --set-rpath "\$ORIGIN" "$library"
done
# The order matters: MLX must find OpenBLAS's cblas before its own (cmake/GlimtDependencies.cmake).
scripts/check_blas.sh "$folder/bin/glimt"

echo "==> demo model"
mapfile -t model < <(git ls-files models/demo | grep -v '^models/demo/train/')
cp --parents "${model[@]}" "$folder"

echo "==> man pages and completions"
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2> /dev/null || date +%s) python3 scripts/shell_help.py "$folder/bin/glimt" "$made"
mkdir -p "$folder"/share/{man,bash-completion,zsh}
mv "$made/man" "$folder/share/man/man1"
mv "$made/bash" "$folder/share/bash-completion/completions"
mv "$made/zsh" "$folder/share/zsh/site-functions"
mkdir -p "$folder/share/fish"
mv "$made/fish" "$folder/share/fish/vendor_completions.d"
cp -r packaging "$folder/packaging"

echo "==> licences"
cp LICENSE README.md CHANGELOG.md "$folder"
python3 scripts/third_party.py "$folder/licenses" "${libraries[@]}"
mv "$folder/licenses/THIRD-PARTY.md" "$folder/NOTICE.md"

needs=$(objdump -T "$folder/bin/glimt" "$folder"/lib/* | grep -o 'GLIBC_2\.[0-9]*' | sort -uV | tail -n1)
tar --create --gzip --file "dist/$name.tar.gz" --directory dist --sort=name --owner=0 --group=0 --numeric-owner \
  --mtime="@$(git log -1 --format=%ct 2> /dev/null || date +%s)" "$name"
echo "==> dist/$name.tar.gz: $(du -h "dist/$name.tar.gz" | cut -f1), unpacked $(du -sh "$folder" | cut -f1), needs ${needs/_/ } or newer"
