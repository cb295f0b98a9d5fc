#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/message/front_matter.h"
#include "engine/message/mustache.h"
#include "engine/message/program.h"
#include "engine/message/template.h"

namespace sealift::engine {

// ProgramWriter puts a Program together step by step, and finds where a row has the value of a name.
//
// Owned by:  one compilation; `options` outlives it.
// Threads:   one.
class ProgramWriter {
 public:
  enum class Columns {
    kGiven,  // a name that is neither a column nor has a default is an error
    kAny,    // every name is taken for a column
  };

  // `text_columns`: of those with Template::Names::kPaths, which are known to hold text: nothing is within them, so
  // that what a section of one names must be a column as well.
  ProgramWriter(const Template::Options& options, Columns columns, std::span<const std::string> text_columns = {});

  // What the template itself says; the options' defaults go before it.
  void SetDefaults(std::vector<TemplateDefault> defaults) { defaults_ = std::move(defaults); }

  void Literal(std::string_view bytes);
  void Lines(std::string_view text);  // LF becomes CRLF
  Program::Step& Add(Program::Step::Kind kind);
  void AddHeader(HeaderSlots header);

  // Of the message: what follows is no header of it.
  void BeginBody();

  // What stands between is rendered for each item of the slot's value. Inverted sections do not count.
  void EnterSection(uint32_t slot) { sections_.push_back(slot); }
  void LeaveSection() { sections_.pop_back(); }

  // The index of the slot that a tag names. Errors: InvalidArgument with the line, the columns and what to do.
  absl::StatusOr<uint32_t> SlotOf(const MustacheToken& tag);

  Program& program() { return *program_; }

  // The program, complete. Nothing may be written afterwards. Errors: InvalidArgument with the line when the template
  // has a default that no tag asks for.
  absl::StatusOr<std::shared_ptr<const Program>> Finish();

 private:
  absl::Status Unknown(const Slot& slot) const;
  // Whether a name may be found in an item of a section that is open.
  bool MayBeInItems() const;

  const Template::Options& options_;
  const Columns columns_;
  const std::span<const std::string> text_columns_;
  std::vector<TemplateDefault> defaults_;
  std::vector<uint32_t> sections_;
  std::shared_ptr<Program> program_ = std::make_shared<Program>();
};

}  // namespace sealift::engine
