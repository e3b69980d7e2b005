// Which hub, as whom, and how patiently: what the environment says, under the names that Hugging Face's client knows.
#pragma once

#include "hub/http.h"

#include <chrono>
#include <string>

namespace glimt {

struct HubSettings {
  std::string endpoint = "https://huggingface.co";  // without a '/' at the end
  std::string modelscope = "https://modelscope.cn";
  std::string token;         // empty: none
  std::string token_source;  // "HF_TOKEN", "the file /home/…/token": for errors, which never print the token
  std::string modelscope_token;
  bool offline = false;  // no request at all
  HttpLimits limits;
  std::chrono::milliseconds backoff{1000};  // before the second try; doubled for each further one
};

// HF_ENDPOINT; HF_TOKEN, HUGGING_FACE_HUB_TOKEN, the file HF_TOKEN_PATH, the file token in HF_HOME; HF_HUB_OFFLINE;
// HF_HUB_DOWNLOAD_TIMEOUT; MODELSCOPE_DOMAIN, MODELSCOPE_API_TOKEN; GLIMT_PULL_BACKOFF in milliseconds. Throws
// invalid_request for an endpoint that is no URL and a number that is none.
HubSettings hub_settings_from_environment();

}  // namespace glimt
