#include "identity/password.h"

#include <doctest/doctest.h>

#include <set>

namespace pga::identity {
namespace {

constexpr PasswordCost kCheap{.passes = 1, .memory_kib = 64, .lanes = 1};

Secret<std::string> secret(std::string text) { return Secret<std::string>(std::move(text)); }

TEST_CASE("a password is verified against its own hash and no other") {
  SystemRandom random;
  const auto hash = hash_password(secret("correct horse"), random, kCheap);
  REQUIRE(hash);
  CHECK(hash->starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
  CHECK(*verify_password(secret("correct horse"), *hash));
  CHECK(!*verify_password(secret("correct horsf"), *hash));
  CHECK(!*verify_password(secret(""), *hash));
  CHECK(!*verify_password(secret(std::string(10'000, 'x')), *hash));
  CHECK(*hash_password(secret("correct horse"), random, kCheap) != *hash);
}

TEST_CASE("all of a password counts, also behind a zero byte and up to its limit") {
  SystemRandom random;
  const std::string longest(kPasswordBytesMax, 'x');
  const auto hash = hash_password(secret(longest), random, kCheap);
  CHECK(*verify_password(secret(longest), *hash));
  CHECK(!*verify_password(secret(longest.substr(1)), *hash));
  CHECK(!hash_password(secret(longest + "x"), random, kCheap));
  const auto zero = hash_password(secret(std::string("a\0b", 3)), random, kCheap);
  CHECK(!*verify_password(secret("a"), *zero));
}

TEST_CASE("the default cost is the one of the study, and an older cost is renewed") {
  SystemRandom random;
  const auto hash = hash_password(secret("correct horse"), random);
  REQUIRE(hash);
  CHECK(hash->starts_with("$argon2id$v=19$m=47104,t=1,p=1$"));
  CHECK(*verify_password(secret("correct horse"), *hash));
  CHECK(!needs_rehash(*hash));
  CHECK(needs_rehash(*hash_password(secret("correct horse"), random, kCheap)));
}

TEST_CASE("what is no hash of ours is corrupt, not a wrong password") {
  for (const std::string hash : {"", "x", "$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$dGFn", "$argon2id$v=19$m=64,t=1,p=1$",
                                 "$argon2id$v=16$m=64,t=1,p=1$c2FsdHNhbHQ$dGFn"}) {
    CAPTURE(hash);
    CHECK(verify_password(secret("x"), hash).error().code == ErrorCode::kCorrupt);
  }
}

TEST_CASE("a new password is long enough and not what is tried first") {
  struct Case {
    std::string password;
    bool good;
  };
  const Case cases[] = {
      {"correct horse battery", true}, {"zkr7-qqpw-81xm", true},        {"völlig beliebig", true},      {"elevenchars", false},
      {"aaaaaaaaaaaaaaaa", false},     {"1234567890123", false},        {"pganalytics1234", false},     {"Administrator1!", false},
      {"marguerite2026", false},       {"\xff\xfe invalid utf", false}, {std::string(257, 'x'), false}, {"passwordpassword", false},
      {"zyxwvutsrqponm", false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.password);
    CHECK(bool(check_new_password(secret(c.password), "Marguerite")) == c.good);
  }
  CHECK(check_new_password(secret("short"), "x").error().message == "the password has 5 characters; it needs 12");
}

TEST_CASE("a one-time password is readable, accepted as a password, and never the same") {
  SystemRandom random;
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const auto made = make_one_time_password(random);
    CHECK(made.read().size() == 24);
    CHECK(made.read().find_first_of("0O1Il") == std::string::npos);
    CHECK(check_new_password(made, "admin"));
    seen.insert(made.read());
  }
  CHECK(seen.size() == 100);
}

}  // namespace
}  // namespace pga::identity
