#include "tools/sealift/output.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "engine/exit_code.h"
#include "tools/sealift/failure.h"

namespace sealift::tools {
namespace {

using nlohmann::json;

// Columns line up by characters, not by bytes: continuation bytes of UTF-8 take no place.
size_t Width(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string Padded(const std::string& text, size_t width, bool right) {
  const std::string blanks(width - std::min(width, Width(text)), ' ');
  return right ? blanks + text : text + blanks;
}

// RFC 4180; a cell that a spreadsheet would run as a formula is made text with an apostrophe.
std::string CsvCell(std::string text) {
  if (!text.empty() && std::string_view("=+-@\t\r").find(text[0]) != std::string_view::npos) text.insert(0, 1, '\'');
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string Dump(const json& value, int indent) {
  return value.dump(indent, ' ', false,
                    json::error_handler_t::replace);  // bytes that are no UTF-8 do not end a command
}

const json& MemberOf(const json& row, const std::string& member) {
  static const json kNull;
  const auto found = row.find(member);
  return found == row.end() ? kNull : *found;
}

}  // namespace

std::optional<Format> ParseFormat(std::string_view name) {
  if (name == "table") return Format::kTable;
  if (name == "json") return Format::kJson;
  if (name == "ndjson") return Format::kNdjson;
  if (name == "csv") return Format::kCsv;
  return std::nullopt;
}

std::string Printable(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool c1 = c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c < 0x20 || c == 0x7F) {
      clean += ' ';
    } else if (c1) {  // the C1 controls, as UTF-8 has them
      clean += ' ';
      ++i;
    } else {
      clean += text[i];
    }
  }
  return clean;
}

std::string CellText(const json& value) {
  if (value.is_null()) return "";
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_string()) return Printable(value.get_ref<const std::string&>());
  if (value.is_number_float()) return fmt::format("{:.1f}", value.get<double>());
  if (value.is_array()) {
    std::string joined;
    for (const json& item : value) joined += (joined.empty() ? "" : ", ") + CellText(item);
    return joined;
  }
  return Printable(Dump(value, -1));
}

void Console::Rows(const json& answer, std::string_view member, const std::vector<Column>& columns) {
  const json& rows = MemberOf(answer, std::string(member));
  if (format_ == Format::kJson) {
    out_ << Dump(answer, 2) << "\n";
  } else if (format_ == Format::kNdjson) {
    for (const json& row : rows) out_ << Dump(row, -1) << "\n";
  } else if (format_ == Format::kCsv) {
    Csv(rows, columns);
  } else {
    std::vector<size_t> widths;
    std::vector<bool> right;
    for (const Column& column : columns) {
      size_t width = Width(column.title);
      bool numbers = !rows.empty();
      for (const json& row : rows) {
        const json& cell = MemberOf(row, column.member);
        width = std::max(width, Width(CellText(cell)));
        numbers = numbers && cell.is_number();
      }
      widths.push_back(width);
      right.push_back(numbers);
    }
    const auto line = [&](const auto& cell) {
      std::string text;
      for (size_t i = 0; i < columns.size(); ++i) text += Padded(cell(columns[i]), widths[i], right[i]) + "  ";
      text.erase(text.find_last_not_of(' ') + 1);
      return text + "\n";
    };
    const std::string heading = line([](const Column& column) { return column.title; });
    out_ << (terminal_.colour ? "\033[1m" + heading.substr(0, heading.size() - 1) + "\033[0m\n" : heading);
    for (const json& row : rows) {
      out_ << line([&row](const Column& column) { return CellText(MemberOf(row, column.member)); });
    }
  }
  out_.flush();
}

void Console::Record(const json& answer, const std::vector<Column>& columns) {
  if (format_ == Format::kJson) {
    out_ << Dump(answer, 2) << "\n";
  } else if (format_ == Format::kNdjson) {
    out_ << Dump(answer, -1) << "\n";
  } else if (format_ == Format::kCsv) {
    Csv(json::array({answer}), columns);
  } else {
    size_t width = 0;
    for (const Column& column : columns) {
      if (answer.contains(column.member)) width = std::max(width, Width(column.title));
    }
    for (const Column& column : columns) {
      if (!answer.contains(column.member)) continue;
      out_ << "  " << Padded(column.title, width, false) << "  " << CellText(answer[column.member]) << "\n";
    }
  }
  out_.flush();
}

void Console::Row(const json& row, const std::vector<Column>& columns, bool headings) {
  if (format_ == Format::kCsv) return Csv(json::array({row}), columns, headings);
  const auto line = [&](const auto& cell) {
    std::string text;
    for (const Column& column : columns) text += (text.empty() ? "" : "  ") + cell(column);
    return text + "\n";
  };
  if (headings) out_ << line([](const Column& column) { return column.title; });
  out_ << line([&row](const Column& column) { return CellText(MemberOf(row, column.member)); }) << std::flush;
}

void Console::Csv(const json& rows, const std::vector<Column>& columns, bool headings) {
  std::string line;
  for (const Column& column : columns) line += (line.empty() ? "" : ",") + CsvCell(column.member);
  if (headings) out_ << line << "\r\n";
  for (const json& row : rows) {
    line.clear();
    bool first = true;
    for (const Column& column : columns) {
      if (!first) line += ',';
      first = false;
      const json& cell = MemberOf(row, column.member);
      line += cell.is_number() ? Dump(cell, -1) : CsvCell(CellText(cell));
    }
    out_ << line << "\r\n";
  }
}

void Console::Say(std::string_view sentence) {
  if (format_ == Format::kTable) out_ << sentence << "\n" << std::flush;
}

void Console::Report(const absl::Status& status) {
  const Failure failure = FailureOf(status);
  const int code = static_cast<int>(engine::ExitCodeOf(status));
  if (machine()) {
    const json error = {{"error",
                         {{"what", failure.what},
                          {"where", failure.where},
                          {"why", failure.why},
                          {"next", failure.next},
                          {"exit_code", code}}}};
    out_ << Dump(error, format_ == Format::kJson ? 2 : -1) << "\n" << std::flush;
    return;
  }
  const auto bold = [this](std::string_view text) {
    return terminal_.colour ? fmt::format("\033[1;31m{}\033[0m", text) : std::string(text);
  };
  err_ << bold("sealift: ") << Printable(failure.what.empty() ? failure.why : failure.what) << "\n";
  if (!failure.where.empty()) err_ << "  where: " << Printable(failure.where) << "\n";
  if (!failure.what.empty()) {
    // The reason may have lines of its own: every mistake of a configuration.
    std::istringstream lines(failure.why);
    std::string line;
    for (const char* label = "  why:   "; std::getline(lines, line); label = "         ")
      err_ << label << Printable(line) << "\n";
  }
  if (!failure.next.empty()) err_ << "  next:  " << Printable(failure.next) << "\n";
  err_.flush();
}

}  // namespace sealift::tools
