#include "engine/message/program_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "engine/message/suggestion.h"
#include "engine/message/template_error.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

using StepKind = Program::Step::Kind;

constexpr size_t kColumnsNamedMax = 20;

// Of a.b.c, a and b and c. A name with nothing between two dots has no parts but itself.
std::vector<std::string> PartsOf(const std::string& name) {
  std::vector<std::string> parts;
  for (std::string_view rest = name;;) {
    const size_t dot = rest.find('.');
    if (rest.substr(0, dot).empty()) return {name};
    parts.emplace_back(rest.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    rest.remove_prefix(dot + 1);
  }
}

void AddOnce(const std::string& column, std::vector<std::string>& columns) {
  if (std::ranges::find(columns, column) == columns.end()) columns.push_back(column);
}

}  // namespace

ProgramWriter::ProgramWriter(const Template::Options& options, Columns columns,
                             std::span<const std::string> text_columns)
    : options_(options), columns_(columns), text_columns_(text_columns) {
  program_->columns = columns_ == Columns::kGiven ? options_.columns.size() : 0;
  program_->takes_nested = columns_ == Columns::kGiven && options_.names == Template::Names::kPaths;
}

void ProgramWriter::Literal(std::string_view bytes) {
  if (bytes.empty()) return;
  const bool new_step = program_->steps.empty() || program_->steps.back().kind != StepKind::kLiteral ||
                        program_->steps.size() == program_->body_begin;
  if (new_step) {
    Add(StepKind::kLiteral).begin = program_->literals.size();
  }
  program_->literals += bytes;
  program_->steps.back().size += bytes.size();
}

void ProgramWriter::Lines(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    Literal(text.substr(0, end));
    if (end == std::string_view::npos) return;
    Literal("\r\n");
    text.remove_prefix(end + 1);
  }
}

Program::Step& ProgramWriter::Add(StepKind kind) {
  Program::Step& step = program_->steps.emplace_back();
  step.kind = kind;
  return step;
}

void ProgramWriter::AddHeader(HeaderSlots header) {
  Add(StepKind::kHeader).index = static_cast<uint32_t>(program_->headers.size());
  program_->headers.push_back(std::move(header));
}

void ProgramWriter::BeginBody() { program_->body_begin = program_->steps.size(); }

absl::StatusOr<uint32_t> ProgramWriter::SlotOf(const MustacheToken& tag) {
  const bool paths = columns_ == Columns::kGiven && options_.names == Template::Names::kPaths;
  const bool is_email = EqualsIgnoreCase(tag.text, "email");
  Slot slot;
  slot.name = is_email ? "email" : std::string(tag.text);
  slot.is_item = paths && tag.is_item;
  slot.line = tag.line;
  slot.within = sections_.empty() ? Slot::kNowhere : sections_.back();
  for (size_t i = 0; i < program_->slots.size(); ++i) {
    const Slot& known = program_->slots[i];
    const bool same_place = !paths || known.within == slot.within;
    if (known.name == slot.name && known.is_item == slot.is_item && same_place) return static_cast<uint32_t>(i);
  }
  slot.parts = {slot.name};
  if (paths) slot.parts = PartsOf(slot.name);
  const std::string& column = slot.parts.front();
  bool known = is_email || columns_ == Columns::kAny;
  if (is_email) slot.column = Slot::kEmail;
  for (size_t i = 0; i < options_.columns.size() && !is_email; ++i) {
    if (options_.columns[i] != column) continue;
    slot.column = static_cast<int>(i);
    known = true;
    break;
  }
  const auto fall_back = [&](const std::string& name, const std::string& value) {
    if (name != slot.name || is_email) return;
    slot.fallback = value;
    slot.has_fallback = known = true;
  };
  for (const TemplateDefault& own : defaults_) fall_back(own.name, own.value);
  for (const auto& [name, value] : options_.defaults) fall_back(name, value);
  if (!known && !(paths && MayBeInItems())) return Unknown(slot);
  if (paths && (slot.parts.size() > 1 || !known)) program_->uses_nested = true;
  if (!is_email && known) AddOnce(column, program_->needed_columns);
  if (slot.column >= 0 && !slot.has_fallback) AddOnce(column, program_->required_columns);
  program_->slots.push_back(std::move(slot));
  return static_cast<uint32_t>(program_->slots.size() - 1);
}

bool ProgramWriter::MayBeInItems() const {
  return std::ranges::any_of(sections_, [this](uint32_t section) {
    const Slot& slot = program_->slots[section];
    const bool is_text =
        slot.column == Slot::kEmail || std::ranges::find(text_columns_, slot.parts.front()) != text_columns_.end();
    return !is_text || slot.parts.size() > 1;
  });
}

absl::Status ProgramWriter::Unknown(const Slot& slot) const {
  if (slot.name == ".") return TemplateError(slot.line, "{{.}} stands outside a section: write the column's name");
  const std::string& column = slot.parts.front();
  if (std::ranges::find(options_.columns, slot.name) != options_.columns.end()) {
    return TemplateError(
        slot.line, fmt::format("{{{{{0}}}}} is what lies within {1}, and the recipients have no {1}: a member that "
                               "is itself called {0} cannot be named; give it a name without dots",
                               slot.name, column));
  }
  std::vector<std::string> columns = {"email"};
  columns.insert(columns.end(), options_.columns.begin(), options_.columns.end());
  const std::string suggestion = Suggestion(column, columns);
  std::string there;
  for (size_t i = 0; i < columns.size() && i < kColumnsNamedMax; ++i) there += (i == 0 ? "" : ", ") + columns[i];
  if (columns.size() > kColumnsNamedMax) there += fmt::format(" and {} more", columns.size() - kColumnsNamedMax);
  return TemplateError(
      slot.line,
      fmt::format("{{{{{0}}}}}: the recipients have no column {1}{2}. Their columns are: {3}. "
                  "Correct the name, add the column, or give a default: --default {0}=TEXT, or `default "
                  "{0} = TEXT` between lines of --- before the headers",
                  slot.name, column, suggestion.empty() ? "" : fmt::format(" (did you mean {}?)", suggestion), there));
}

absl::StatusOr<std::shared_ptr<const Program>> ProgramWriter::Finish() {
  for (const TemplateDefault& own : defaults_) {
    if (std::ranges::any_of(program_->slots, [&own](const Slot& slot) { return slot.name == own.name; })) continue;
    const std::string suggestion = Suggestion(own.name, program_->needed_columns);
    return TemplateError(
        own.line, fmt::format("no tag of the template is named {}{}: correct the name or remove the default", own.name,
                              suggestion.empty() ? "" : fmt::format(" (did you mean {}?)", suggestion)));
  }
  program_->literals.shrink_to_fit();
  program_->fixed_body_hash = program_->HashFixedBody();
  return program_;
}

}  // namespace sealift::engine
