# Everything glimt is built from. MLX comes from the pinned wheels in .venv (scripts/setup.sh), the rest from Debian or,
# on macOS, from Homebrew and the system's SDK.
set(GLIMT_PYTHON ${PROJECT_SOURCE_DIR}/.venv/bin/python CACHE FILEPATH "Python that has the wheels of MLX")
if(NOT MLX_ROOT)
  execute_process(COMMAND ${GLIMT_PYTHON} -m mlx --cmake-dir
                  OUTPUT_VARIABLE MLX_ROOT OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE status ERROR_VARIABLE why)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "no MLX under ${GLIMT_PYTHON}: run scripts/setup.sh first (or set MLX_ROOT). ${why}")
  endif()
endif()
find_package(MLX CONFIG REQUIRED PATHS ${MLX_ROOT} NO_DEFAULT_PATH)
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)

add_library(glimt_edit INTERFACE)
add_library(glimt_mlx INTERFACE)
if(APPLE)
  # Both are part of the system: libedit, and the BLAS (Accelerate) that MLX was built with.
  find_library(EDIT_LIBRARY NAMES edit REQUIRED)
  target_link_libraries(glimt_edit INTERFACE ${EDIT_LIBRARY})
  target_link_libraries(glimt_mlx INTERFACE mlx)
else()
  find_package(PkgConfig REQUIRED)
  pkg_check_modules(EDIT REQUIRED IMPORTED_TARGET libedit)
  target_link_libraries(glimt_edit INTERFACE PkgConfig::EDIT)
  # OpenBLAS must come before libmlx: the wheel's own BLAS is the netlib reference (2 GFLOP/s instead of 80), and the
  # first definition of cblas_* that the dynamic linker meets is the one MLX calls.
  find_library(OPENBLAS_LIBRARY NAMES openblas REQUIRED
               HINTS /usr/lib/x86_64-linux-gnu/openblas-openmp /usr/lib/aarch64-linux-gnu/openblas-openmp)
  target_link_libraries(glimt_mlx INTERFACE
    -Wl,--push-state,--no-as-needed ${OPENBLAS_LIBRARY} -Wl,--pop-state mlx)
endif()

# Downloads of models.
find_package(CURL 7.87 REQUIRED)

# The server's. Of prometheus-cpp only the core: its CMake package would ask for a web server and curl as well.
find_package(OpenSSL REQUIRED)
find_package(spdlog REQUIRED)
find_library(PROMETHEUS_LIBRARY NAMES prometheus-cpp-core REQUIRED)
find_path(PROMETHEUS_INCLUDE NAMES prometheus/registry.h REQUIRED)
add_library(glimt_prometheus INTERFACE)
target_link_libraries(glimt_prometheus INTERFACE ${PROMETHEUS_LIBRARY})
target_include_directories(glimt_prometheus SYSTEM INTERFACE ${PROMETHEUS_INCLUDE})
