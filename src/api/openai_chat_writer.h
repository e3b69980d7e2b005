// POST /v1/chat/completions: answers.
#pragma once

#include "api/answer_writer.h"

#include <cstddef>
#include <memory>

namespace glimt {

struct ChatAnswerForm {
  bool stream = false;
  bool include_usage = false;  // of a stream: a chunk with the usage before the end
  bool logprobs = false;
  bool details = false;  // api/answer_details.h; of several choices those of the first
  std::size_t choices = 1;
};

std::unique_ptr<AnswerWriter> chat_completion_writer(const AnswerHead& head, const ChatAnswerForm& form);

}  // namespace glimt
