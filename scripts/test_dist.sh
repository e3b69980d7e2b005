#!/usr/bin/env bash
# Runs the packed program in a root folder that holds nothing but the package and glibc: no Python, no shell, no
# libstdc++, no BLAS. usage: scripts/test_dist.sh [TARBALL]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/empty_root.sh
tarball=${1:-$(ls dist/glimt-*.tar.gz)}

new_root
tar -xzf "$tarball" -C "$root/opt"
# Another place than where it was made, with a space in its name.
place="/opt/some where"
mv "$root"/opt/glimt-* "$root$place"
add_glibc "$root$place/bin/glimt"

glimt="$place/bin/glimt" model="$place/models/demo"
expect "starts" '[0-9]+\.[0-9]+\.[0-9]+' "$glimt" --version
expect "shows the demo model" 'Glm4MoeLite|GLM4MoeLite' "$glimt" show "$model"
expect "answers a question" '[[:alnum:]]' "$glimt" run "$model" "What is the capital of France?"
echo "$(basename "$tarball") runs in an empty root with only $(find "$root"/lib* -type f -printf '%f\n' | sort -u | paste -sd' ')"
