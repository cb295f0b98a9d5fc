// The words that an enumerated key takes, in the order of its values; their spelling is ToString's (options.h).
#pragma once

#include <array>
#include <concepts>

#include "engine/options.h"

namespace sealift::engine {

template <typename E>
struct Words;
template <>
struct Words<Delivery> {
  static constexpr std::array kAll = {Delivery::kSink, Delivery::kLive};
};
template <>
struct Words<StreamKind> {
  static constexpr std::array kAll = {StreamKind::kMarketing, StreamKind::kTransactional};
};
template <>
struct Words<TlsPolicy> {
  static constexpr std::array kAll = {TlsPolicy::kOpportunistic, TlsPolicy::kRequire, TlsPolicy::kVerify,
                                      TlsPolicy::kDane};
};
template <>
struct Words<TlsVersion> {
  static constexpr std::array kAll = {TlsVersion::kTls12, TlsVersion::kTls13};
};
template <>
struct Words<OnNoTls> {
  static constexpr std::array kAll = {OnNoTls::kHold, OnNoTls::kBounce};
};
template <>
struct Words<InDoubt> {
  static constexpr std::array kAll = {InDoubt::kResend, InDoubt::kHold};
};
template <>
struct Words<Per> {
  static constexpr std::array kAll = {Per::kSource, Per::kPool, Per::kNode};
};
template <>
struct Words<LogLevel> {
  static constexpr std::array kAll = {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError};
};

template <typename T>
concept Worded = requires { Words<T>::kAll; };

}  // namespace sealift::engine
