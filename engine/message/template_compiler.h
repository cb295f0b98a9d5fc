#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "engine/message/entity.h"
#include "engine/message/header_compiler.h"
#include "engine/message/program.h"
#include "engine/message/program_writer.h"
#include "engine/message/template.h"

namespace sealift::engine {

// TemplateCompiler turns an .eml with merge fields into a Program. What it accepts and why is Template's manual.
//
// Owned by:  one compilation.
// Threads:   one.
// Errors:    InvalidArgument with the line.
class TemplateCompiler {
 public:
  using Columns = ProgramWriter::Columns;

  // `text_columns`: as ProgramWriter's.
  TemplateCompiler(const Template::Options& options, Columns columns, std::span<const std::string> text_columns = {})
      : writer_(options, columns, text_columns) {}

  absl::StatusOr<std::shared_ptr<const Program>> Run(std::string_view eml);

 private:
  absl::Status EmitEntity(Entity& entity, bool top);
  absl::Status EmitMultipart(Entity& entity, bool top);
  absl::Status EmitText(Entity& entity, bool top);
  absl::Status EmitAttachment(const Entity& entity, bool top);

  ProgramWriter writer_;
  HeaderCompiler headers_{writer_};
};

}  // namespace sealift::engine
