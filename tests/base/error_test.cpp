#include "base/error.h"

#include "base/throws.h"

#include <iterator>
#include <set>

namespace glimt {
namespace {

constexpr ErrorKind kAllKinds[] = {ErrorKind::invalid_request, ErrorKind::not_found,     ErrorKind::bad_file,
                                   ErrorKind::unsupported,     ErrorKind::out_of_memory, ErrorKind::overloaded,
                                   ErrorKind::timeout,         ErrorKind::cancelled,     ErrorKind::internal};

TEST(Error, ExitCodesTellWhoCanMendIt) {
  EXPECT_EQ(exit_code(ErrorKind::invalid_request), 2);
  EXPECT_EQ(exit_code(ErrorKind::not_found), 2);
  EXPECT_EQ(exit_code(ErrorKind::bad_file), 2);
  EXPECT_EQ(exit_code(ErrorKind::unsupported), 2);
  EXPECT_EQ(exit_code(ErrorKind::out_of_memory), 1);
  EXPECT_EQ(exit_code(ErrorKind::overloaded), 1);
  EXPECT_EQ(exit_code(ErrorKind::timeout), 1);
  EXPECT_EQ(exit_code(ErrorKind::internal), 1);
  EXPECT_EQ(exit_code(ErrorKind::cancelled), 130);
}

TEST(Error, EveryKindHasItsOwnName) {
  std::set<std::string_view> names;
  for (const ErrorKind kind : kAllKinds) names.insert(to_string(kind));
  EXPECT_EQ(names.size(), std::size(kAllKinds));
  EXPECT_EQ(to_string(ErrorKind::bad_file), "bad_file");
}

TEST(Error, FailNamesThePlaceFirst) {
  EXPECT_ERROR(fail(ErrorKind::bad_file, "model.safetensors", "holds {} bytes, {} wanted", 3, 8), ErrorKind::bad_file,
               "model.safetensors: holds 3 bytes, 8 wanted");
}

TEST(Error, TextFromOutsideIsNeverAFormat) {
  EXPECT_ERROR(fail(ErrorKind::invalid_request, "{} {0:>99999}", "got {}", "{} %s {1}"), ErrorKind::invalid_request,
               "{} {0:>99999}: got {} %s {1}");
}

}  // namespace
}  // namespace glimt
