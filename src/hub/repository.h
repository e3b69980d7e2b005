// A hub's answers to what is in a repository, and where a file of it is. Hugging Face's protocol, and ModelScope's.
#pragma once

#include "hub/http.h"
#include "hub/hub_settings.h"
#include "hub/manifest.h"
#include "hub/model_name.h"

#include <functional>
#include <string>
#include <vector>

namespace glimt {

enum class HubKind : std::uint8_t { huggingface, modelscope };

// What a user asks a hub for: "org/name", "org/name@revision", "modelscope:org/name". Throws invalid_request for what
// no hub can have.
struct HubModel {
  HubKind kind = HubKind::huggingface;
  ModelName name;
};
HubModel hub_model(const std::string& text);

// Files at one commit: nothing of it changes while it is pulled.
struct Listing {
  std::string commit;
  std::vector<FileRecord> files;
};

class Repository {
 public:
  Repository(HubModel model, HubSettings settings) : model_(std::move(model)), settings_(std::move(settings)) {}

  // A GET of a small answer with redirects and second tries, see transfer.h.
  using Fetch = std::function<HttpHead(const std::string& url, std::string& content)>;

  // Throws not_found, invalid_request or unsupported, which says what the hub says; bad_file for an answer that is no
  // listing, or one with a path that would leave a folder.
  Listing list(const Fetch& fetch) const;

  // Where a file of `listing` is.
  std::string file_url(const Listing& listing, const std::string& path) const;

  // Which requests get the token: those to this origin.
  std::string origin() const { return origin_of(endpoint()); }
  const std::string& token() const;
  const std::string& endpoint() const;
  const HubModel& model() const { return model_; }

  // What an answer that is no success means for a user.
  [[noreturn]] void fail_for(const HttpHead& head, const std::string& what) const;

 private:
  std::string revision() const;
  Listing list_huggingface(const Fetch& fetch) const;
  Listing list_modelscope(const Fetch& fetch) const;
  std::string where() const { return model_.name.text(); }

  HubModel model_;
  HubSettings settings_;
};

// The path of the next page in a Link header (`<url>; rel="next"`); empty if there is none.
std::string next_page(const std::string& link);

// The files that a model needs, by name: config and tokenizer first, weights when the index is known.
bool is_small_part(const std::string& path);
bool is_weights(const std::string& path);

}  // namespace glimt
