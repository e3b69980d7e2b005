# One static library a folder of src/ or a part of one. src/layers.txt says which folders one may include, and so link;
# tests/base/include_direction_test.cpp checks the #include lines.

add_library(glimt_options INTERFACE)
target_compile_options(glimt_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wcast-qual -Woverloaded-virtual -Wextra-semi)
if(NOT APPLE)  # a warning of a compiler that was never tried shall not end a build
  target_compile_options(glimt_options INTERFACE -Werror)
endif()
target_include_directories(glimt_options INTERFACE ${PROJECT_SOURCE_DIR}/src)
if(GLIMT_SANITIZE)
  # GCC sees uninitialized values in libstdc++ where a sanitizer's checks hide the flow from it.
  target_compile_options(glimt_options INTERFACE -fsanitize=${GLIMT_SANITIZE} -fno-omit-frame-pointer -g -Wno-maybe-uninitialized)
  target_link_options(glimt_options INTERFACE -fsanitize=${GLIMT_SANITIZE})
  if(GLIMT_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC warns of Asio's fences, which the sanitizer does not see: what only they order would be reported in vain.
    target_compile_options(glimt_options INTERFACE -Wno-tsan)
  endif()
endif()

# glimt_library(NAME SOURCES a.cpp ... DEPENDS glimt_base ...)
function(glimt_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC glimt_options ${ARG_DEPENDS})
endfunction()

# glimt_test(NAME SOURCES a_test.cpp ... DEPENDS glimt_x ... [LABELS l ...]): one gtest program, one ctest entry a case.
function(glimt_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE glimt_options ${ARG_DEPENDS} GTest::gmock GTest::gtest GTest::gtest_main)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)  # a third less time to build than -O3
  target_compile_definitions(${name} PRIVATE GLIMT_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  set(timeout 300)
  if(GLIMT_SANITIZE)
    set(timeout 1800)  # the thread sanitizer makes a minute of a second
  endif()
  gtest_discover_tests(${name} NO_PRETTY_VALUES DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT ${timeout} LABELS "${ARG_LABELS}")
endfunction()
