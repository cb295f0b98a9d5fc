#pragma once

#include <optional>
#include <string>

#include "engine/message/entity.h"
#include "engine/message/list_fields.h"

namespace sealift::engine {

// What others must know of a template's header before they send it.
struct TemplateFields {
  OwnListFields own;
  // The domain of the From address, a lower-case A-label; nothing when a merge field decides it.
  std::optional<std::string> from_domain;
};

// Of a message that the compiler has found to be in order.
TemplateFields FieldsOf(const Entity& entity);

}  // namespace sealift::engine
