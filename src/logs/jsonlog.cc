#include "logs/jsonlog.h"

#include <algorithm>
#include <utility>

#include "logs/limits.h"

namespace pga::logs {
namespace {

Field field_of(std::string_view key) {
  static constexpr std::pair<std::string_view, Field> kKeys[] = {
      {"timestamp", Field::kTime},
      {"user", Field::kUser},
      {"dbname", Field::kDatabase},
      {"pid", Field::kPid},
      {"remote_host", Field::kRemote},
      {"session_id", Field::kSession},
      {"line_num", Field::kLine},
      {"ps", Field::kCommand},
      {"session_start", Field::kSessionStart},
      {"vxid", Field::kVirtualXid},
      {"txid", Field::kXid},
      {"error_severity", Field::kSeverity},
      {"state_code", Field::kSqlstate},
      {"message", Field::kMessage},
      {"detail", Field::kDetail},
      {"hint", Field::kHint},
      {"internal_query", Field::kInternalQuery},
      {"internal_position", Field::kInternalPosition},
      {"context", Field::kContext},
      {"statement", Field::kStatement},
      {"cursor_position", Field::kPosition},
      {"func_name", Field::kLocation},
      {"application_name", Field::kApplication},
      {"backend_type", Field::kBackendType},
      {"leader_pid", Field::kLeaderPid},
      {"query_id", Field::kQueryId},
  };
  for (const auto& [name, field] : kKeys) {
    if (name == key) return field;
  }
  return Field::kCount;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

}  // namespace

void JsonParser::put(std::string_view bytes) {
  if (state_ == State::kKeyString) {
    if (key_.size() < kNameBytesMax) key_ += bytes;
  } else if (field_ != Field::kCount) {
    event_.append(field_, bytes);
  } else {
    event_.cut_bytes += bytes.size();
  }
}

void JsonParser::put_code_point() {
  unsigned code = unit_;
  if (code >= 0xD800 && code < 0xDC00) {
    high_ = code;
    return;
  }
  if (code >= 0xDC00 && code < 0xE000) code = high_ == 0 ? 0xFFFD : 0x10000 + ((high_ - 0xD800) << 10) + (code - 0xDC00);
  high_ = 0;
  char out[4];
  std::size_t size = 0;
  const auto add = [&](unsigned byte) { out[size++] = static_cast<char>(byte); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xC0 | (code >> 6));
    add(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    add(0xE0 | (code >> 12));
    add(0x80 | ((code >> 6) & 0x3F));
    add(0x80 | (code & 0x3F));
  } else {
    add(0xF0 | (code >> 18));
    add(0x80 | ((code >> 12) & 0x3F));
    add(0x80 | ((code >> 6) & 0x3F));
    add(0x80 | (code & 0x3F));
  }
  put({out, size});
}

void JsonParser::escape(char c) {
  if (escape_ >= 2) {
    const unsigned digit = c >= '0' && c <= '9'   ? unsigned(c - '0')
                           : c >= 'a' && c <= 'f' ? unsigned(c - 'a' + 10)
                           : c >= 'A' && c <= 'F' ? unsigned(c - 'A' + 10)
                                                  : 16;
    if (digit == 16) {
      state_ = State::kBroken;
      return;
    }
    unit_ = unit_ * 16 + digit;
    if (++escape_ == 6) {
      escape_ = 0;
      put_code_point();
    }
    return;
  }
  escape_ = 0;
  switch (c) {
    case 'n':
      return put("\n");
    case 't':
      return put("\t");
    case 'r':
      return put("\r");
    case 'b':
      return put("\b");
    case 'f':
      return put("\f");
    case 'u':
      escape_ = 2;
      unit_ = 0;
      return;
    case '"':
    case '\\':
    case '/':
      return put({&c, 1});
    default:
      state_ = State::kBroken;
  }
}

void JsonParser::key_ended() {
  field_ = field_of(key_);
  if (key_ == "remote_port") {  // "host:port", as in csvlog
    field_ = Field::kRemote;
    event_.append(field_, ":");
  } else if (field_ != Field::kCount) {
    event_[field_].clear();  // a key that stands twice: the last one counts
  }
  key_.clear();
  state_ = State::kColon;
}

void JsonParser::take(char c) {
  if (state_ == State::kBroken) return;
  if (escape_ != 0) return escape(c);
  switch (state_) {
    case State::kObject:
      if (c == '{')
        state_ = State::kKey;
      else if (!is_space(c))
        state_ = State::kBroken;
      return;
    case State::kKey:
      if (c == '"')
        state_ = State::kKeyString;
      else if (!is_space(c))
        state_ = State::kBroken;
      return;
    case State::kColon:
      if (c == ':')
        state_ = State::kValue;
      else if (!is_space(c))
        state_ = State::kBroken;
      return;
    case State::kValue:
      if (c == '"') {
        state_ = State::kString;
      } else if (c == '{' || c == '[' || c == ',' || c == '}') {
        state_ = State::kBroken;
      } else if (!is_space(c)) {
        state_ = State::kBare;
        put({&c, 1});
      }
      return;
    case State::kBare:
      if (c == ',')
        state_ = State::kKey;
      else if (c == '}')
        state_ = State::kDone;
      else
        put({&c, 1});
      return;
    case State::kKeyString:
    case State::kString:
      if (c == '\\') {
        escape_ = 1;
      } else if (c == '"') {
        if (state_ == State::kKeyString)
          key_ended();
        else
          state_ = State::kAfterValue;
      } else {
        put({&c, 1});
      }
      return;
    case State::kAfterValue:
      if (c == ',')
        state_ = State::kKey;
      else if (c == '}')
        state_ = State::kDone;
      else if (!is_space(c))
        state_ = State::kBroken;
      return;
    case State::kDone:
      if (!is_space(c)) state_ = State::kBroken;
      return;
    case State::kBroken:
      return;
  }
}

void JsonParser::line_ended() {
  const bool empty = open_bytes_ <= 2 && state_ == State::kObject;
  const bool whole = state_ == State::kDone && !event_[Field::kTime].empty() && !event_[Field::kSeverity].empty();
  if (!empty) {
    if (!whole) {
      event_.clear();
      event_.unparsed = true;
      event_.cut_bytes = open_bytes_;
    }
    sink_(event_);
  }
  event_.clear();
  key_.clear();
  field_ = Field::kCount;
  escape_ = 0;
  high_ = 0;
  state_ = State::kObject;
  open_bytes_ = 0;
}

void JsonParser::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    std::size_t used = 1;
    if (bytes[0] == '\n') {
      ++open_bytes_;
      line_ended();
      bytes.remove_prefix(1);
      continue;
    }
    if (state_ == State::kBroken) {
      used = std::min(bytes.find('\n'), bytes.size());
    } else if (state_ == State::kString && escape_ == 0 && bytes[0] != '"' && bytes[0] != '\\') {
      used = std::min(bytes.find_first_of("\"\\\n"), bytes.size());
      put(bytes.substr(0, used));
    } else {
      take(bytes[0]);
    }
    open_bytes_ += used;
    bytes.remove_prefix(used);
  }
}

void JsonParser::finish() {
  if (open_bytes_ == 0) return;
  event_.incomplete = true;
  if (state_ != State::kDone) state_ = State::kBroken;
  line_ended();
}

}  // namespace pga::logs
