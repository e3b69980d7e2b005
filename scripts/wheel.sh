#!/usr/bin/env bash
# Makes dist/glimt-VERSION-py3-none-manylinux_…whl from the folder that scripts/dist.sh has left in dist/. MLX is not in
# it: it depends on the mlx and mlx-cpu wheels that the program was built with, of exactly that version, since MLX's C++
# interface changes with every one. All other libraries but glibc are inside, and the licences.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=$(sed -n 's/^project(glimt VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
packed=dist/glimt-$version-linux-$(uname -m)
[ -x "$packed/bin/glimt" ] || { echo "wheel: $packed is not there: run scripts/dist.sh first" >&2; exit 1; }
site=$(echo .venv/lib/python3*/site-packages)
field() { sed -n "s/^$2: //p" "$site"/"$1"-*.dist-info/METADATA | head -n1; }

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
info=$tree/glimt-$version.dist-info
mkdir -p "$tree/glimt/lib" "$info"
cp -r "$packed"/{bin,models} "$tree/glimt/"
install -m 644 packaging/python/__init__.py "$tree/glimt/__init__.py"
for library in "$packed"/lib/*; do
  name=$(basename "$library")
  [ -e "$site/mlx/lib/$name" ] || [ -e "$site/mlx_cpu.libs/$name" ] || cp "$library" "$tree/glimt/lib/"
done
# pip puts both packages into one folder; the program looks into MLX's behind its own.
patchelf --force-rpath --set-rpath "\$ORIGIN/../lib:\$ORIGIN/../../mlx/lib" "$tree/glimt/bin/glimt"

# The newest glibc that any of them needs is what the tag promises.
needs=$(objdump -T "$tree/glimt/bin/glimt" "$tree"/glimt/lib/* | grep -o 'GLIBC_2\.[0-9]*' | sort -uV | tail -n1)
tag=py3-none-manylinux_2_${needs#GLIBC_2.}_$(uname -m)
cat > "$info/WHEEL" << END
Wheel-Version: 1.0
Generator: glimt scripts/wheel.sh
Root-Is-Purelib: false
Tag: $tag
END
printf '[console_scripts]\nglimt = glimt:main\n' > "$info/entry_points.txt"
data=$tree/glimt-$version.data/data
mkdir -p "$info/licenses" "$data"
cp -r "$packed/share" "$data/"
cp LICENSE "$packed/NOTICE.md" "$info/licenses/"
cp -r "$packed/licenses" "$info/licenses/parts"
{
  cat << END
Metadata-Version: 2.4
Name: glimt
Version: $version
Summary: Inference engine and server for GLM-4.7-Flash on CPUs
License-Expression: Apache-2.0
Classifier: Environment :: Console
Classifier: Operating System :: POSIX :: Linux
Requires-Python: $(field mlx Requires-Python)
Requires-Dist: mlx==$(field mlx Version)
Requires-Dist: mlx-cpu==$(field mlx_cpu Version)
Description-Content-Type: text/markdown
END
  (cd "$info/licenses" && find . -type f -printf 'License-File: %P\n' | LC_ALL=C sort)
  printf '\n'
  cat README.md
  printf '\n## Licences\n\nglimt is under Apache-2.0; the libraries inside of this wheel have their own: NOTICE.md and the texts beside it.\n'
} > "$info/METADATA"

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2> /dev/null || date +%s)}
export SOURCE_DATE_EPOCH
rm -f dist/glimt-*.whl
.venv-packaging/bin/wheel pack "$tree" --dest-dir dist > /dev/null
wheel=dist/glimt-$version-$tag.whl
echo "==> $wheel: $(du -h "$wheel" | cut -f1), with mlx and mlx-cpu $(field mlx Version)"
