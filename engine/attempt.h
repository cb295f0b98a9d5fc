#pragma once

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "engine/shaping/classification.h"
#include "queue/outcome.h"

namespace sealift::engine {

// What came of one attempt to send, or of trying to reach anyone who would take it.
struct Attempt {
  Verdict verdict;
  int code = 0;                            // of the reply; 0: there was none
  std::string enhanced;                    // "5.1.1"
  std::string text;                        // redacted
  absl::Time date = absl::InfinitePast();  // the Date header that was sent
  bool begun = true;                       // counts as an attempt of the row
  bool mailed = true;                      // the server took MAIL, or may have
  bool unanswered = false;                 // its last byte may have been sent, and no reply came: it may have arrived
  bool in_doubt = false;                   // the same, and its stream rather holds it than resends
  bool heard = false;                      // rules have acted on it: they need not hear it again of its row
  std::string ruled_by;                    // by the one that decided then; empty: the classification's
  std::shared_ptr<const queue::Evidence> evidence;
};

}  // namespace sealift::engine
