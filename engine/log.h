// What the daemon tells whoever runs it: one line an event on stderr, a sentence and then key=value fields.
#pragma once

#include <concepts>
#include <initializer_list>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/options.h"
#include "fmt/format.h"

namespace sealift::engine {

// Private holds what must never be printed: a recipient, a subject, a field's value, content. Formatting one prints
// `[redacted]`; only Reveal() gives the value, and is easy to find in a review.
template <typename T>
class Private {
 public:
  Private() = default;
  explicit Private(T value) : value_(std::move(value)) {}

  const T& Reveal() const { return value_; }

  friend std::ostream& operator<<(std::ostream& out, const Private&) { return out << "[redacted]"; }

 private:
  T value_{};
};

// A field of a log line. Values with spaces, quotes or control characters are quoted and escaped, so that no value can
// forge a field or a line; long ones are cut.
struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  LogField(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
  template <typename Number>
    requires(std::integral<Number> || std::floating_point<Number>)
  LogField(std::string_view k, Number v) : key(k), value(fmt::format("{}", v)) {}
  LogField(std::string_view k, absl::Duration v);
  LogField(std::string_view k, const absl::Status& v);
  template <typename T>
  LogField(std::string_view k, const Private<T>&) : key(k), value("[redacted]") {}

  std::string_view key;
  std::string value;
};

// Threads: any. Errors: none; a line that cannot be written is dropped.
//
// Under systemd (JOURNAL_STREAM is set) a line starts with its priority, `<6>`, and the journal keeps the time;
// elsewhere it starts with the time and the level.
void Log(LogLevel level, std::string_view sentence, std::initializer_list<LogField> fields = {});
inline void LogDebug(std::string_view sentence, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kDebug, sentence, fields);
}
inline void LogInfo(std::string_view sentence, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kInfo, sentence, fields);
}
inline void LogWarning(std::string_view sentence, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kWarning, sentence, fields);
}
inline void LogError(std::string_view sentence, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kError, sentence, fields);
}

// What is beneath this level is not written. Info until set.
void SetLogLevel(LogLevel level);

// The text of a line as Log writes it, without time and level; what the tests read.
std::string FormatLogLine(std::string_view sentence, std::initializer_list<LogField> fields);

}  // namespace sealift::engine

template <typename T>
struct fmt::formatter<sealift::engine::Private<T>> : fmt::formatter<std::string_view> {
  template <typename Context>
  auto format(const sealift::engine::Private<T>&, Context& context) const {
    return fmt::formatter<std::string_view>::format("[redacted]", context);
  }
};
