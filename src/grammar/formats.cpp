#include "grammar/formats.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

namespace glimt {
namespace {

// Days that exist, years 0001 to 9999.
constexpr std::string_view kDate =
    "((0[0-9]{2}[1-9]|0[0-9][1-9]0|0[1-9]00|[1-9][0-9]{3})"
    "-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    "|([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)-02-29)";

// A leap second exists at 23:59:60 UTC alone, which the offset can move to any hour: there are none here.
constexpr std::string_view kTime =
    R"(([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9]))";

// RFC 3339, appendix A: no unit may be left out between two.
constexpr std::string_view kDuration =
    "P([0-9]+W|([0-9]+Y([0-9]+M([0-9]+D)?)?|[0-9]+M([0-9]+D)?|[0-9]+D)(T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|"
    "[0-9]+S))?|T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S))";

// Up to 63 letters, digits and hyphens; "xn--" and the like would have to be valid punycode.
constexpr std::string_view kLabel =
    "[a-zA-Z0-9]([a-zA-Z0-9]|[a-zA-Z0-9-][a-zA-Z0-9]|[a-zA-Z0-9-]([a-zA-Z0-9][a-zA-Z0-9]|-[a-zA-Z0-9])"
    "|[a-zA-Z0-9-]([a-zA-Z0-9][a-zA-Z0-9-]|-[a-zA-Z0-9])[a-zA-Z0-9-]{0,58}[a-zA-Z0-9])?";

constexpr std::string_view kLocalPart = R"([a-zA-Z0-9!#$%&'*+\/=?^_`{|}~-]+(\.[a-zA-Z0-9!#$%&'*+\/=?^_`{|}~-]+)*)";

constexpr std::string_view kByte = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";

constexpr std::string_view kIpv6 =
    "(([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}"
    "|([0-9a-fA-F]{1,4}:){1,7}:"
    "|([0-9a-fA-F]{1,4}:){1,6}:[0-9a-fA-F]{1,4}"
    "|([0-9a-fA-F]{1,4}:){1,5}(:[0-9a-fA-F]{1,4}){2}"
    "|([0-9a-fA-F]{1,4}:){1,4}(:[0-9a-fA-F]{1,4}){3}"
    "|([0-9a-fA-F]{1,4}:){1,3}(:[0-9a-fA-F]{1,4}){4}"
    "|([0-9a-fA-F]{1,4}:){1,2}(:[0-9a-fA-F]{1,4}){5}"
    "|[0-9a-fA-F]{1,4}:(:[0-9a-fA-F]{1,4}){6}"
    "|:((:[0-9a-fA-F]{1,4}){1,7}|:))";

constexpr std::string_view kUuid = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";
constexpr std::string_view kPointer = R"((\/([^~\/]|~[01])*)*)";
constexpr std::string_view kBase64 = R"(([A-Za-z0-9+\/]{4})*([A-Za-z0-9+\/]{2}==|[A-Za-z0-9+\/]{3}=)?)";

// RFC 3986. Hosts are names or addresses; an empty host is one.
constexpr std::string_view kUriCharacter = R"(([a-zA-Z0-9._~!$&'()*+,;=:@-]|%[0-9a-fA-F]{2}))";
constexpr std::string_view kNoColon = R"(([a-zA-Z0-9._~!$&'()*+,;=@-]|%[0-9a-fA-F]{2}))";

std::string authority() {
  return fmt::format(R"(\/\/(([a-zA-Z0-9._~!$&'()*+,;=:-]|%[0-9a-fA-F]{{2}})*@)?(\[{}\]|)"
                     R"(([a-zA-Z0-9._~!$&'()*+,;=-]|%[0-9a-fA-F]{{2}})*)(:[0-9]{{0,5}})?)",
                     kIpv6);
}

std::string query_and_fragment() { return fmt::format(R"((\?({0}|[\/?])*)?(\#({0}|[\/?])*)?)", kUriCharacter); }

std::string uri() {
  return fmt::format(R"([a-zA-Z][a-zA-Z0-9+.-]*:({1}(\/{0}*)*|\/({0}+(\/{0}*)*)?|{0}+(\/{0}*)*|){2})", kUriCharacter,
                     authority(), query_and_fragment());
}

std::string uri_reference() {
  return fmt::format(R"(({0}|({2}(\/{1}*)*|\/({1}+(\/{1}*)*)?|{3}+(\/{1}*)*|){4}))", uri(), kUriCharacter, authority(),
                     kNoColon, query_and_fragment());
}

const std::vector<StringFormat>& formats() {
  static const std::vector<StringFormat> table = {
      {"date", std::string(kDate)},
      {"time", std::string(kTime)},
      {"date-time", fmt::format("{}[Tt]{}", kDate, kTime)},
      {"duration", std::string(kDuration)},
      {"hostname", fmt::format(R"({0}(\.{0})*)", kLabel), 253},
      {"email", fmt::format(R"({0}@{1}(\.{1})+)", kLocalPart, kLabel), 254},
      {"ipv4", fmt::format(R"(({0}\.){{3}}{0})", kByte)},
      {"ipv6", std::string(kIpv6)},
      {"uuid", std::string(kUuid)},
      {"uri", uri()},
      {"uri-reference", uri_reference()},
      {"iri", uri()},  // those of ASCII, as the next three
      {"iri-reference", uri_reference()},
      {"idn-hostname", fmt::format(R"({0}(\.{0})*)", kLabel), 253},
      {"idn-email", fmt::format(R"({0}@{1}(\.{1})+)", kLocalPart, kLabel), 254},
      {"json-pointer", std::string(kPointer)},
      {"relative-json-pointer", fmt::format("(0|[1-9][0-9]*)(\\#|{})", kPointer)},
      {"byte", std::string(kBase64)},
      {"base64", std::string(kBase64)},
  };
  return table;
}

}  // namespace

const StringFormat* find_format(std::string_view name) {
  const auto found =
      std::find_if(formats().begin(), formats().end(), [&](const StringFormat& format) { return format.name == name; });
  return found == formats().end() ? nullptr : &*found;
}

bool says_nothing_about_text(std::string_view format) {
  static constexpr std::array<std::string_view, 3> kNames = {"password", "binary", "textarea"};
  return std::find(kNames.begin(), kNames.end(), format) != kNames.end();
}

}  // namespace glimt
