#!/usr/bin/env bash
# Brings a machine to where glimt runs: installs what is missing, then builds. Safe to repeat; quick when nothing is to do.
#   1. packages of the system (Debian's by apt; macOS': Homebrew's)   2. Python packages in .venv (pinned, with hashes)   3. cargo
#   4. node and the packages of web/   5. build/ (CMake, Ninja)
# usage: scripts/setup.sh [--cuda] [--tests] [--bench] [--lint] [--dist] [--fuzz] [--no-build]
#   without --tests          builds build/glimt and nothing else
#   --cuda                   also for an NVIDIA card: MLX's CUDA library (.venv-cuda, 2 GB), our CUDA kernels, and
#                            build/glimt-cuda, which starts the same program with them
#   --tests                  also the unit tests, the examples and what the end-to-end tests need (.venv-clients: SDKs)
#   --bench                  also the benchmarks of the kernels
#   --lint, --dist, --fuzz   also the packages that scripts/lint.sh, scripts/dist.sh or the targets in fuzz/ need
#   --no-build               steps 1 to 4 only
# environment: PYTHON (which Python to make .venv with), BUILD_DIR (default build), BUILD_TYPE (default Release)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What CMake and the sources need. libboost-dev (1.74) conflicts with 1.81: name the version.
packages=(
  g++ cmake ninja-build make pkg-config   # C++20, CMake 3.25
  python3 python3-venv                    # runs the wheels' CMake helper, and tests/e2e
  libopenblas-openmp-dev                  # BLAS for MLX, see cmake/GlimtDependencies.cmake
  libboost1.81-dev libboost-json1.81-dev  # JSON, HTTP
  libfmt-dev                              # messages
  libcli11-dev                            # flags
  libedit-dev                             # line editing (BSD licence)
  libcurl4-openssl-dev                    # glimt pull
  libssl-dev libspdlog-dev prometheus-cpp-dev  # hashes of files; the server's TLS, log and metrics
  ca-certificates                         # pip and cargo speak TLS
)
brew_packages=(cmake ninja boost fmt cli11 openssl@3 spdlog prometheus-cpp rust node)  # the same on macOS; libedit and curl are there
test_packages=(libgtest-dev libgmock-dev chromium)  # the page is tested in chromium
proxy_packages=(haproxy nginx-light)  # in front of several servers; the tests of packaging/ are skipped without them
bench_packages=(libbenchmark-dev)
lint_packages=(clang-format clang-tidy libomp-dev shellcheck)  # libomp-dev: an omp.h that clang can read
dist_packages=(patchelf)
fuzz_packages=(clang libclang-rt-dev)  # libFuzzer and the sanitizers are in the latter
min_driver=580  # of NVIDIA, the first for CUDA 13
seconds_a_step=4  # of one processor, on average (a C++ file 2 to 4, the Rust crate some 300)
min_cargo=1.87  # what the crates in rust/ ask for
min_node=18.18  # what the packages in web/ ask for; Debian 12 has 18.20

build=yes
cuda=no
clients=no  # the packages of tests/clients
proxies=no
tools=no    # of tests/packaging
parts=()  # of the build, besides the program
for argument in "$@"; do
  case "$argument" in
    --cuda) cuda=yes ;;
    --tests) packages+=("${test_packages[@]}"); parts+=(TESTS); clients=yes; proxies=yes; tools=yes ;;
    --bench) packages+=("${bench_packages[@]}"); parts+=(BENCH) ;;
    --lint) packages+=("${lint_packages[@]}") ;;
    --dist) packages+=("${dist_packages[@]}"); tools=yes ;;
    --fuzz) packages+=("${fuzz_packages[@]}") ;;
    --no-build) build=no ;;
    *) echo "usage: scripts/setup.sh [--cuda] [--tests] [--bench] [--lint] [--dist] [--fuzz] [--no-build]" >&2; exit 2 ;;
  esac
done

# Which of the five parts of this script a line is about, so that nobody wonders how much is still to come.
part=1
step() { printf '==> [%d/5] %s\n' $part "$*"; }
stop() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# Before anything is downloaded. A machine without a card can compile the kernels: make cuda.
if [ $cuda = yes ]; then
  driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2> /dev/null | head -n1) \
    || stop "--cuda: no NVIDIA driver answers here (nvidia-smi); it needs one of version $min_driver or newer"
  [ "${driver%%.*}" -ge $min_driver ] 2> /dev/null \
    || stop "--cuda: MLX's library for CUDA 13 needs a driver of version $min_driver or newer; this one is ${driver:-unknown}"
fi

# Two runs at once (two terminals, an editor) wait for each other instead of building over each other; macOS has no
# flock, and they do not.
mkdir -p .cache
exec 9> .cache/setup.lock
if command -v flock > /dev/null && ! flock -n 9; then
  step "waiting for another scripts/setup.sh to end"
  flock 9
fi

sha256() {  # sha256 FILE
  if command -v sha256sum > /dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}
processors=$(getconf _NPROCESSORS_ONLN)

# ---- 1. packages of the system -----------------------------------------------------------------------------------
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt_ready=no
# apt_install WHY PACKAGE...: shows what it installs; says what is missing where it may not.
apt_install() {
  local why=$1
  shift
  if ! command -v apt-get > /dev/null; then
    stop "needs $why, and there is no apt here. Install what these Debian packages hold: $*"
  fi
  if [ "$(id -u)" != 0 ] && ! command -v sudo > /dev/null; then
    stop "needs $why. As root, run: apt-get install $*"
  fi
  step "$why: installing $* (a minute or two)"
  if [ $apt_ready = no ]; then
    as_root apt-get update -qq
    apt_ready=yes
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends --no-remove "$@" 9>&- \
    || stop "apt could not install: $*"
}

# install_proxies PACKAGE...: as programs; no service of them starts, neither now nor at boot.
install_proxies() {
  local policy=/usr/sbin/policy-rc.d ours=no status=0
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy > /dev/null && as_root chmod +x $policy && ours=yes
  fi
  (apt_install "proxies for the tests" "$@") || status=$?
  [ $ours = no ] || as_root rm -f $policy
  [ ! -d /run/systemd/system ] || as_root systemctl --quiet disable haproxy nginx 2> /dev/null || true
  return $status
}

if [ "$(uname -s)" = Darwin ]; then
  command -v brew > /dev/null || stop "needs Homebrew (https://brew.sh) for: ${brew_packages[*]}"
  [[ " ${parts[*]-} " != *" TESTS "* ]] || brew_packages+=(googletest)
  missing=()
  for package in "${brew_packages[@]}"; do
    brew list --formula "$package" > /dev/null 2>&1 || missing+=("$package")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    step "Homebrew: installing ${missing[*]}"
    brew install --quiet "${missing[@]}" || stop "brew could not install: ${missing[*]}"
  else
    step "Homebrew's packages: all there"
  fi
  OPENSSL_ROOT_DIR=$(brew --prefix openssl@3)  # Homebrew keeps it out of the way of the system's
  export OPENSSL_ROOT_DIR
elif command -v dpkg-query > /dev/null; then
  installed=$(dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' | sed -n 's/^installed \([^:]*\).*/\1/p')
  missing=()
  for package in "${packages[@]}"; do
    grep -qx "$package" <<< "$installed" || missing+=("$package")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    apt_install "Debian packages" "${missing[@]}"
  else
    step "Debian packages: all there"
  fi
  missing=()
  for package in "${proxy_packages[@]}"; do
    command -v "${package%-light}" > /dev/null || [ -x "/usr/sbin/${package%-light}" ] || missing+=("$package")
  done
  if [ $proxies = yes ] && [ ${#missing[@]} -gt 0 ]; then
    install_proxies "${missing[@]}" || step "the tests of packaging/ go without: ${missing[*]}"
  fi
else
  step "Debian packages: no dpkg here; CMake will name what is missing of: ${packages[*]}"
fi

# ---- 2. Python packages in .venv ---------------------------------------------------------------------------------
part=2
# `python3` may be a shim (pyenv, conda) without a Python behind it, or a Debian one without ensurepip: try each.
python_works() {
  "$1" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2> /dev/null
}

find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11; do
    if python_works "$candidate"; then
      python=$candidate
      return
    fi
  done
  stop "needs a Python from 3.11 to 3.14 with the venv module (Debian: python3-venv), or PYTHON=/path/to/one"
}

# python_packages FOLDER LOCK SIZE: a virtual environment with what the lock names.
python_packages() {
  local folder=$1 lock=$2 size=$3 wanted
  wanted=$(sha256 "$lock")
  if [ "$(cat "$folder/glimt-stamp" 2> /dev/null)" = "$wanted" ] && "$folder/bin/python" -c 'import sys' 2> /dev/null; then
    step "Python packages of $folder: all there"
    return
  fi
  find_python
  step "Python packages: $size into $folder, with $("$python" -c 'import sys; print(sys.executable, sys.version.split()[0])')"
  "$python" -m venv --clear "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r "$lock" \
    || stop "pip could not install $lock into $folder"
  echo "$wanted" > "$folder/glimt-stamp"
}

python_packages .venv requirements.txt "70 MB (less than a minute)"
if [ $cuda = yes ]; then
  python_packages .venv-cuda scripts/gpu/mlx_cuda.txt "2 GB (some minutes)"
fi
if [ $clients = yes ]; then
  python_packages .venv-clients tests/clients/requirements.txt "500 MB (two minutes)"
fi
if [ $tools = yes ]; then
  (python_packages .venv-packaging tests/packaging/requirements.txt "170 MB (less than a minute)") \
    || step "the checks of packaging/, and make wheel, go without .venv-packaging"
fi

# ---- 3. cargo ----------------------------------------------------------------------------------------------------
part=3
cargo_works() {  # cargo_works PATH: it is there and new enough
  local version
  version=$("$1" --version 2> /dev/null | sed -n 's/^cargo \([0-9.]*\).*/\1/p')
  [ -n "$version" ] && [ "$(printf '%s\n' "$min_cargo" "$version" | sort -V | head -n1)" = "$min_cargo" ]
}

find_cargo() {
  cargo=""
  local candidate
  for candidate in cargo "$HOME/.cargo/bin/cargo" /usr/bin/cargo; do
    if cargo_works "$candidate"; then
      cargo=$(command -v "$candidate")
      return
    fi
  done
}

find_cargo
if [ -z "$cargo" ]; then
  # Debian 12 and 11 carry a current Rust as cargo-web, which Firefox is built with; Debian's own `cargo` is older.
  candidate=$(apt-cache policy cargo-web 2> /dev/null | sed -n 's/^ *Candidate: \([0-9.]*\).*/\1/p')
  if [ -z "$candidate" ] && command -v apt-get > /dev/null && [ $apt_ready = no ]; then
    as_root apt-get update -qq 9>&- && apt_ready=yes
    candidate=$(apt-cache policy cargo-web 2> /dev/null | sed -n 's/^ *Candidate: \([0-9.]*\).*/\1/p')
  fi
  [ -n "$candidate" ] || stop "needs cargo $min_cargo or newer, and apt has no cargo-web here: install Rust with rustup, then run this again"
  apt_install "Rust" cargo-web rustc-web
  find_cargo
  [ -n "$cargo" ] || stop "needs cargo $min_cargo or newer; the newest that was found is $(cargo --version 2>&1 || true): install Rust with rustup"
fi
step "Rust: $("$cargo" --version)"
PATH=$(dirname "$cargo"):$PATH
export PATH

# ---- 4. node -----------------------------------------------------------------------------------------------------
# The page that `glimt serve` shows is built with node. Without it the program is the same, and says so at /.
part=4
node_works() {
  local version
  version=$(node --version 2> /dev/null | sed -n 's/^v\([0-9.]*\).*/\1/p')
  [ -n "$version" ] && [ "$(printf '%s\n' "$min_node" "$version" | sort -V | head -n1)" = "$min_node" ] \
    && npm --version > /dev/null 2>&1
}

# A page that is newer than all that it is made of needs neither node nor packages, but for its tests.
page=${BUILD_DIR:-build}/web/web_page_data.cpp
page_is_built() {
  [ $clients = no ] && grep -q kBytes "$page" 2> /dev/null \
    && [ -z "$(find web/src web/scripts web/index.html web/package-lock.json web/vite.config.ts -newer "$page" -print)" ]
}

# In a shell of its own: where apt_install stops, the program is built without the page.
if ! page_is_built && ! node_works; then
  (apt_install "node" nodejs npm) || true
fi
wanted=$(sha256 web/package-lock.json)
if page_is_built; then
  step "the page: built already"
elif ! node_works; then
  step "no node $min_node or newer: the program is built without its page"
elif [ "$(cat web/node_modules/glimt-stamp 2> /dev/null)" = "$wanted" ]; then
  step "packages of the page: all there"
else
  step "packages of the page: 110 MB into web/node_modules (less than a minute), with node $(node --version)"
  if (cd web && npm ci --no-audit --no-fund --loglevel=error 9>&- > /dev/null); then
    echo "$wanted" > web/node_modules/glimt-stamp
  else
    rm -rf web/node_modules
    step "npm could not install them: the program is built without its page"
  fi
fi

# ---- 5. build ----------------------------------------------------------------------------------------------------
part=5
[ $build = yes ] || exit 0
build_dir=${BUILD_DIR:-build}
cache=$build_dir/CMakeCache.txt
if [ -f "$cache" ] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$cache"; then
  step "this folder was moved: configuring $build_dir anew"
  rm -rf "$cache" "$build_dir/CMakeFiles" "$build_dir/build.ninja"
fi

# The next build embeds what is compiled here.
if [ $cuda = yes ]; then
  step "our CUDA kernels"
  scripts/gpu/compile_kernels.sh 9>&-
fi

# A folder that has the tests keeps them when only the program is asked for, and the other way round they are added.
options=()
[ -f "$build_dir/build.ninja" ] || options+=(-DGLIMT_TESTS=OFF)
for name in ${parts[@]+"${parts[@]}"}; do  # bash 3 takes an empty list for an unset one
  grep -qx "GLIMT_$name:BOOL=ON" "$cache" 2> /dev/null || options+=("-DGLIMT_$name=ON")
done
if [ ${#options[@]} -gt 0 ]; then
  step "configuring $build_dir"
  cmake -S . -B "$build_dir" -G Ninja -DCMAKE_BUILD_TYPE="${BUILD_TYPE:-Release}" "${options[@]}" 9>&- || {
    rm -f "$build_dir/build.ninja"
    stop "CMake failed; $build_dir/CMakeFiles/CMakeError.log may say more"
  }
fi

# What to build. The parts of a folder that nobody asked for now stay as they are.
targets=(glimt)
for name in ${parts[@]+"${parts[@]}"}; do
  case "$name" in
    BENCH) targets+=(bench/all) ;;
    TESTS) targets=(all) ;;  # the benchmarks, too, where they are configured
  esac
done
ninja -C "$build_dir" build.ninja 9>&- > /dev/null || stop "CMake failed; 'cmake $build_dir' says more"
# "[1/203] Building CXX object ..." is what a dry run begins with.
steps=$(ninja -C "$build_dir" -n "${targets[@]}" 2> /dev/null | sed -n 's|^\[[01]/\([0-9]*\)\].*|\1|p' | tail -n 1)
if [ -z "$steps" ]; then
  step "$build_dir: nothing to build"
else
  step "building ${targets[*]}: $steps steps on $processors processors, about $(( steps * seconds_a_step / processors / 60 + 1 )) minutes"
  NINJA_STATUS='[%f/%t, %e s] ' cmake --build "$build_dir" --target "${targets[@]}" 9>&- || stop "the build failed"
fi

# MLX's two libraries have one name and one interface, so the loader's search path chooses. The compiler that MLX uses
# at run time opens its other half by name: it is searched for, too.
if [ $cuda = yes ]; then
  packages_of=$(echo "$PWD"/.venv-cuda/lib/python3*/site-packages)
  cat > "$build_dir/glimt-cuda" << END
#!/bin/sh
# build/glimt with MLX's CUDA library in place of the CPU's. Made by scripts/setup.sh --cuda.
LD_LIBRARY_PATH=$packages_of/mlx/lib:$packages_of/nvidia/cu13/lib\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
exec "$(cd "$build_dir" && pwd)/glimt" "\$@"
END
  chmod +x "$build_dir/glimt-cuda"
  step "build/glimt-cuda computes on the card (build/glimt on the CPU, as before)"
fi
