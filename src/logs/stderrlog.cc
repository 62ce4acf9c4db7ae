#include "logs/stderrlog.h"

#include <algorithm>

#include "logs/limits.h"

namespace pga::logs {

StderrParser::StderrParser(std::string_view prefix, Sink sink) : prefixes_{Prefix(prefix), Prefix("%m [%p] ")}, sink_(std::move(sink)) {}

// The other formats have a column for what is " at character 8" here.
void StderrParser::take_position() {
  constexpr std::string_view kAt = " at character ";
  std::string& message = event_[Field::kMessage];
  const std::size_t at = message.rfind(kAt);
  if (event_.unparsed || at == std::string::npos || at + kAt.size() >= message.size()) return;
  const std::string_view digits = std::string_view(message).substr(at + kAt.size());
  if (digits.find_first_not_of("0123456789") != std::string_view::npos) return;
  event_[Field::kPosition] = std::string(digits.substr(0, kNameBytesMax));
  message.resize(at);
}

// log_error_verbosity = verbose writes "ERROR:  22012: division by zero".
void StderrParser::take_state() {
  constexpr std::size_t kSize = 5;
  std::string& message = event_[Field::kMessage];
  if (event_.unparsed || message.size() < kSize + 2 || message.compare(kSize, 2, ": ") != 0) return;
  const std::string state = message.substr(0, kSize);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!std::all_of(state.begin(), state.end(), [&](char c) { return is_digit(c) || (c >= 'A' && c <= 'Z'); })) return;
  if (std::count_if(state.begin(), state.end(), is_digit) < 2) return;  // "AUDIT: "
  std::string& known = event_[Field::kSqlstate];
  if (!known.empty() && known != state) return;
  known = state;
  message.erase(0, kSize + 2);
}

void StderrParser::emit() {
  if (open_) {
    take_state();
    take_position();
    sink_(event_);
  }
  event_.clear();
  open_ = false;
}

void StderrParser::begin_line() {
  decided_ = true;
  std::string_view rest;
  Event head;
  const Label* label = nullptr;
  if (!open_ || line_.empty() || line_[0] != '\t') {
    for (const Prefix& prefix : prefixes_) {
      if (label == nullptr) label = prefix.match(line_, head, rest);
    }
  }
  if (label == nullptr) {
    // The rest of a message, or what some program wrote to our standard error: a shell, an archive command, a library.
    const bool continues = open_ && ((!line_.empty() && line_[0] == '\t') || event_.unparsed);
    rest = line_;
    if (continues) {
      if (!rest.empty() && rest[0] == '\t') rest.remove_prefix(1);
      event_.append(field_, "\n");
    } else {
      emit();
      open_bytes_ = line_bytes_;
      open_ = event_.unparsed = true;
      field_ = Field::kMessage;
    }
  } else if (label->severity.empty() && open_ && !event_.unparsed && head[Field::kPid] == event_[Field::kPid]) {
    field_ = label->field;
    if (!event_[field_].empty()) event_.append(field_, "\n");
  } else {
    emit();
    open_bytes_ = line_bytes_;
    open_ = true;
    event_ = std::move(head);
    event_.unparsed = label->severity.empty();  // a detail whose event is not there
    field_ = label->field;
  }
  event_.append(field_, rest);
  line_.clear();
}

void StderrParser::line_ended() {
  if (!decided_) begin_line();
  std::string& text = event_[field_];
  if (!text.empty() && text.back() == '\r') text.pop_back();
  decided_ = false;
  line_bytes_ = 0;
}

void StderrParser::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    std::size_t used = std::min(bytes.find('\n'), bytes.size());
    const bool ends = used < bytes.size();
    std::string_view piece = bytes.substr(0, used);
    if (!decided_) piece = piece.substr(0, kPrefixBytesMax - std::min(kPrefixBytesMax, line_.size()));
    used = piece.size();
    const bool line_ends = ends && bytes[used] == '\n';
    line_bytes_ += used + (line_ends ? 1 : 0);
    open_bytes_ += used + (line_ends ? 1 : 0);
    if (decided_) {
      event_.append(field_, piece);
    } else {
      line_ += piece;
      if (!line_ends && line_.size() >= kPrefixBytesMax) begin_line();
    }
    if (line_ends) {
      line_ended();
      ++used;
    }
    bytes.remove_prefix(used);
  }
}

void StderrParser::settle() {
  if (!open_ || line_bytes_ != 0) return;
  emit();
  open_bytes_ = 0;
}

void StderrParser::finish() {
  if (line_bytes_ != 0) {
    if (!decided_) begin_line();
    event_.incomplete = true;
    decided_ = false;
    line_bytes_ = 0;
  }
  emit();
  open_bytes_ = 0;
}

}  // namespace pga::logs
