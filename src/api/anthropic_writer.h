// Answers of Anthropic's Messages API, whole or as events.
#pragma once

#include "api/answer_writer.h"

#include <memory>

namespace glimt {

std::unique_ptr<AnswerWriter> messages_writer(const AnswerHead& head);         // {"type": "message", …}
std::unique_ptr<AnswerWriter> messages_stream_writer(const AnswerHead& head);  // message_start … message_stop

}  // namespace glimt
