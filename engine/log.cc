#include "engine/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

namespace sealift::engine {
namespace {

constexpr size_t kValueMax = 2'000;

void AppendEscaped(std::string_view text, bool quotes, std::string& out) {
  for (const char c : text.substr(0, kValueMax)) {
    if (quotes && (c == '"' || c == '\\')) {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  if (text.size() > kValueMax) out += "...";
}

bool NeedsQuotes(std::string_view text) {
  if (text.empty()) return true;
  for (const char c : text) {
    if (c <= ' ' || c == '"' || c == '\\' || c == '=' || c == 0x7f) {
      if (static_cast<unsigned char>(c) < 0x80) return true;
    }
  }
  return false;
}

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// The priority that journald reads from the front of a line: sd-daemon(3).
int JournalPriority(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return 7;
    case LogLevel::kInfo:
      return 6;
    case LogLevel::kWarning:
      return 4;
    case LogLevel::kError:
      return 3;
  }
  return 6;
}

// Whether stderr is the stream that systemd has connected to journald, and not what it was redirected to since:
// systemd.exec(5).
bool UnderJournal() {
  static const bool under = [] {
    const char* const stream = std::getenv("JOURNAL_STREAM");
    struct stat about{};
    return stream != nullptr && ::fstat(STDERR_FILENO, &about) == 0 &&
           fmt::format("{}:{}", about.st_dev, about.st_ino) == stream;
  }();
  return under;
}

spdlog::logger& Logger() {
  static const auto* const logger = [] {
    auto* made = new std::shared_ptr<spdlog::logger>(
        std::make_shared<spdlog::logger>("sealift", std::make_shared<spdlog::sinks::stderr_sink_mt>()));
    (*made)->set_pattern(UnderJournal() ? "%v" : "%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    (*made)->set_level(spdlog::level::info);
    (*made)->set_error_handler([](const std::string&) {});  // a line that cannot be written is dropped
    return made;
  }();
  return **logger;
}

}  // namespace

LogField::LogField(std::string_view k, absl::Duration v) : key(k), value(ToText(v)) {}
LogField::LogField(std::string_view k, const absl::Status& v)
    : key(k), value(v.ok() ? "ok" : std::string(v.message())) {}

std::string FormatLogLine(std::string_view sentence, std::initializer_list<LogField> fields) {
  std::string line;
  AppendEscaped(sentence, false, line);  // ours: it may quote a name
  for (const LogField& field : fields) {
    line += fmt::format(" {}=", field.key);
    if (!NeedsQuotes(field.value)) {
      AppendEscaped(field.value, true, line);
      continue;
    }
    line += '"';
    AppendEscaped(field.value, true, line);
    line += '"';
  }
  return line;
}

void Log(LogLevel level, std::string_view sentence, std::initializer_list<LogField> fields) {
  spdlog::logger& logger = Logger();
  if (!logger.should_log(SpdlogLevel(level))) return;
  std::string line = FormatLogLine(sentence, fields);
  if (UnderJournal()) line = fmt::format("<{}>{}", JournalPriority(level), line);
  logger.log(SpdlogLevel(level), spdlog::string_view_t(line.data(), line.size()));
}

void SetLogLevel(LogLevel level) { Logger().set_level(SpdlogLevel(level)); }

}  // namespace sealift::engine
