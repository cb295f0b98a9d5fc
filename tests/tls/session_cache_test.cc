#include "tls/session_cache.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <ctime>

namespace sealift::tls {
namespace {

// A session as a handshake would leave it: of a version, with an id, in its time.
SslSessionPtr Session(int version = TLS1_2_VERSION, long lifetime = 3600) {
  SslSessionPtr session(SSL_SESSION_new());
  const unsigned char id[] = {1, 2, 3};
  SSL_SESSION_set1_id(session.get(), id, sizeof id);
  SSL_SESSION_set_protocol_version(session.get(), version);
  SSL_SESSION_set_time(session.get(), std::time(nullptr));
  SSL_SESSION_set_timeout(session.get(), lifetime);
  return session;
}

TEST(SessionCacheTest, KeysDifferInEveryPart) {
  const std::string key = SessionCache::MakeKey("mx.test:25", Policy::kVerify, "mx.test", "system/1.2");
  EXPECT_NE(key, SessionCache::MakeKey("mx.test:26", Policy::kVerify, "mx.test", "system/1.2"));
  EXPECT_NE(key, SessionCache::MakeKey("mx.test:25", Policy::kRequire, "mx.test", "system/1.2"));
  EXPECT_NE(key, SessionCache::MakeKey("mx.test:25", Policy::kVerify, "my.test", "system/1.2"));
  EXPECT_NE(key, SessionCache::MakeKey("mx.test:25", Policy::kVerify, "mx.test", "system/1.3"));
}

TEST(SessionCacheTest, ASessionOfTls12StaysAndATicketOfTls13Leaves) {
  SessionCache cache{{}};
  cache.Put("old", Session(TLS1_2_VERSION));
  cache.Put("new", Session(TLS1_3_VERSION));
  EXPECT_NE(cache.Take("old"), nullptr);
  EXPECT_NE(cache.Take("old"), nullptr);
  EXPECT_NE(cache.Take("new"), nullptr);
  EXPECT_EQ(cache.Take("new"), nullptr);
  EXPECT_EQ(cache.servers(), 1u);
}

TEST(SessionCacheTest, WhatIsPastItsLifetimeIsNotGivenOut) {
  SessionCache cache{{}};
  SslSessionPtr session = Session(TLS1_2_VERSION, 60);
  SSL_SESSION_set_time(session.get(), std::time(nullptr) - 61);
  cache.Put("mx", std::move(session));
  EXPECT_EQ(cache.Take("mx"), nullptr);
  EXPECT_EQ(cache.servers(), 0u);
}

TEST(SessionCacheTest, ServersAreBoundedByUse) {
  SessionCache cache({.servers_max = 3});
  for (const char* key : {"a", "b", "c"}) cache.Put(key, Session());
  ASSERT_NE(cache.Take("a"), nullptr);
  cache.Put("d", Session());
  EXPECT_EQ(cache.servers(), 3u);
  EXPECT_NE(cache.Take("a"), nullptr);
  EXPECT_EQ(cache.Take("b"), nullptr);  // the one not used for longest
  EXPECT_EQ(cache.stats().evicted, 1u);
}

TEST(SessionCacheTest, TicketsOfOneServerAreBounded) {
  SessionCache cache({.sessions_a_server_max = 4});
  for (int i = 0; i < 100; ++i) cache.Put("mx", Session(TLS1_3_VERSION));
  int taken = 0;
  while (cache.Take("mx") != nullptr) ++taken;
  EXPECT_EQ(taken, 4);
}

TEST(SessionCacheTest, SessionsOfAllServersAreBoundedTogether) {
  SessionCache cache({.sessions_a_server_max = 4, .sessions_max = 10});
  for (const char* key : {"a", "b", "c", "d"}) {
    for (int i = 0; i < 4; ++i) cache.Put(key, Session(TLS1_3_VERSION));
    EXPECT_LE(cache.sessions(), 10u);
  }
  EXPECT_EQ(cache.Take("a"), nullptr);  // whole servers give way, the one not used for longest first
  EXPECT_NE(cache.Take("d"), nullptr);
  while (cache.Take("d") != nullptr || cache.Take("c") != nullptr || cache.Take("b") != nullptr) {
  }
  EXPECT_EQ(cache.sessions(), 0u);
}

}  // namespace
}  // namespace sealift::tls
