#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <deque>
#include <string>
#include <vector>

#include "engine/message/entity.h"
#include "engine/message/mustache.h"
#include "engine/message/program.h"
#include "engine/message/program_writer.h"

namespace sealift::engine {

// HeaderCompiler turns the headers of a template's parts into steps: literals where no merge field stands, HeaderSlots
// where one does. Which headers are refused, and which may hold a value, is decided here.
//
// Owned by:  one compilation; `writer` outlives it.
// Threads:   one.
// Errors:    InvalidArgument with the line.
class HeaderCompiler {
 public:
  explicit HeaderCompiler(ProgramWriter& writer) : writer_(writer) {}

  // Refuses a message whose headers the engine writes itself, are there twice, or lack what every message needs.
  static absl::Status Check(const Entity& message);

  // Every header but Content-Transfer-Encoding, which follows from what becomes of the body. `top`: of the message
  // itself, whose headers may hold merge fields and which gets what it lacks.
  absl::Status Emit(const Entity& entity, bool top);

 private:
  absl::Status EmitField(const HeaderField& field);
  absl::Status EmitSlots(HeaderSlots header, const std::vector<MustacheToken>& tokens);
  absl::Status ReadAddresses(const std::vector<MustacheToken>& tokens, HeaderSlots& header);
  void EmitCopy(const HeaderField& field);
  absl::StatusOr<std::vector<HeaderPiece>> PiecesOf(const std::vector<MustacheToken>& tokens);

  ProgramWriter& writer_;
  std::deque<std::string> texts_;
};

}  // namespace sealift::engine
