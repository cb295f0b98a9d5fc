#pragma once

#include <absl/status/statusor.h>

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/message/entity.h"
#include "engine/message/mustache.h"
#include "engine/message/program.h"
#include "engine/message/template.h"

namespace sealift::engine {

// TemplateCompiler turns an .eml with merge fields into a Program. What it accepts and why is Template's manual.
//
// Owned by:  one compilation.
// Threads:   one.
// Errors:    InvalidArgument with the line.
class TemplateCompiler {
 public:
  enum class Columns {
    kGiven,  // a name that is neither a column nor has a default is an error
    kAny,    // every name is taken for a column
  };

  TemplateCompiler(const Template::Options& options, Columns columns) : options_(options), columns_(columns) {}

  absl::StatusOr<std::shared_ptr<const Program>> Run(std::string_view eml);

 private:
  absl::Status CheckFields(const Entity& entity) const;
  absl::Status EmitEntity(Entity& entity, bool top);
  absl::Status EmitFields(const Entity& entity, bool top);
  absl::Status EmitField(const HeaderField& field);
  absl::Status EmitSlots(HeaderSlots header, const std::vector<MustacheToken>& tokens);
  void EmitCopy(const HeaderField& field);
  absl::Status EmitMultipart(Entity& entity, bool top);
  absl::Status EmitText(Entity& entity, bool top);
  absl::Status EmitAttachment(const Entity& entity, bool top);
  absl::Status EmitTokens(const std::vector<MustacheToken>& tokens, bool html);
  absl::StatusOr<std::vector<HeaderPiece>> PiecesOf(const std::vector<MustacheToken>& tokens);
  absl::StatusOr<uint32_t> SlotOf(const MustacheToken& token);

  void Literal(std::string_view bytes);
  void BeginBody();                   // of the message: what follows is no header of it
  void Lines(std::string_view text);  // LF becomes CRLF
  Program::Step& Add(Program::Step::Kind kind);

  const Template::Options& options_;
  const Columns columns_;
  std::shared_ptr<Program> program_ = std::make_shared<Program>();
  std::deque<std::string> texts_;
};

}  // namespace sealift::engine
