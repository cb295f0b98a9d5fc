#include "dns/answer.h"

#include <cassert>
#include <utility>

namespace sealift::dns {

std::string_view ToString(Verdict verdict) {
  switch (verdict) {
    case Verdict::kFound:
      return "found";
    case Verdict::kNoData:
      return "no_data";
    case Verdict::kUnusable:
      return "unusable";
    case Verdict::kNxDomain:
      return "nxdomain";
    case Verdict::kBadName:
      return "bad_name";
    case Verdict::kServFail:
      return "servfail";
    case Verdict::kRefused:
      return "refused";
    case Verdict::kTimeout:
      return "timeout";
    case Verdict::kBadAnswer:
      return "bad_answer";
  }
  return "unknown";
}

bool IsTemporary(Verdict verdict) {
  switch (verdict) {
    case Verdict::kFound:
    case Verdict::kNoData:
    case Verdict::kUnusable:
    case Verdict::kNxDomain:
    case Verdict::kBadName:
      return false;
    case Verdict::kServFail:
    case Verdict::kRefused:
    case Verdict::kTimeout:
    case Verdict::kBadAnswer:
      return true;
  }
  return true;
}

void ShuffleTies(std::span<MxHost> hosts, const std::function<size_t(size_t)>& below) {
  for (size_t begin = 0, end = 0; begin < hosts.size(); begin = end) {
    while (end < hosts.size() && hosts[end].preference == hosts[begin].preference) ++end;
    for (size_t left = end - begin; left > 1; --left) {
      const size_t drawn = below(left);
      assert(drawn < left);
      std::swap(hosts[begin + left - 1], hosts[begin + drawn]);
    }
  }
}

}  // namespace sealift::dns
