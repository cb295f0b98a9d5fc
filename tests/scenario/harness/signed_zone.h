#pragma once

#include <string>
#include <vector>

#include "tests/scenario/harness/temp_dir.h"

namespace sealift::scenario {

// The zone `test.`, signed with a key of the story's own (ldns-signzone). Records are those of name_server.h.
struct SignedZone {
  // A record that is changed after it was signed: what it says instead of `was` is bogus.
  struct Forgery {
    std::string was, is;  // texts of its data, as they stand in the zone
  };

  static SignedZone Make(const TempDir& dir, const std::string& name_server, const std::vector<std::string>& records,
                         const std::vector<Forgery>& forgeries);

  std::string zone_file;
  std::string anchor_file;  // what a validating resolver is told to trust
};

}  // namespace sealift::scenario
