// A collector's way to its server: enrols once, keeps certificate and token fresh, and knows several addresses of the same server.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/retry.h"
#include "uplink/credentials.h"
#include "uplink/transport.h"

namespace pga::uplink {

struct LinkOptions {
  std::vector<std::string> urls;     // https://host:port, the preferred one first
  std::filesystem::path token_file;  // enrolment token; read only while there are no credentials or they have expired
  std::filesystem::path state_dir;   // identity.json
  std::string name;                  // what the collector calls itself: the host's name
  std::string version;
  std::chrono::seconds request_timeout{30};
  std::string source_address = {};  // from which it connects; empty: the system's choice
};

// Of all connections so far, those for enrolling left out.
struct LinkStats {
  std::uint64_t connects = 0;    // tried
  std::uint64_t handshakes = 0;  // of TLS, that succeeded
  std::uint64_t socket_bytes_sent = 0;
  std::uint64_t socket_bytes_received = 0;
};

class Link final : public Transport {
 public:
  // Loop, clock and random outlive it.
  Link(LinkOptions options, net::Loop& loop, const Clock& clock, Random& random);
  ~Link() override;

  net::Task<Status> ready() override;
  net::Task<Result<net::Response>> post(std::string path, std::string content_type, std::string body) override;
  [[nodiscard]] std::string peer() const override;
  [[nodiscard]] LinkStats stats() const;

 private:
  // One address with its pool of connections, which resolves the name anew for each connection.
  struct Address {
    std::string url;
    std::shared_ptr<net::HttpClient> client;  // shared with requests under way while it is replaced
    net::Backoff backoff;
    SteadyTime good_from{};  // after a failure it is avoided until then
  };
  enum class With : std::uint8_t { kCertificate, kToken };

  net::Task<Status> make_ready();
  net::Task<Status> enrol();
  net::Task<Status> renew();
  net::Task<Status> fetch_token();
  Status connect_with(const Credentials& credentials);
  std::shared_ptr<net::HttpClient> client_for(const std::string& url, net::TlsClientOptions tls, Status& failed) const;
  // Over the addresses in order of preference until one answers.
  net::Task<Result<net::Response>> send(std::string path, std::string content_type, std::string body, With with);
  net::Task<Result<net::Response>> send_to(net::HttpClient& client, std::string path, std::string content_type, std::string body,
                                           With with);
  [[nodiscard]] std::vector<std::size_t> by_preference() const;

  const LinkOptions options_;
  net::Loop& loop_;
  const Clock& clock_;
  Random& random_;
  std::vector<Address> addresses_;
  LinkStats before_;  // of clients that were replaced
  std::size_t last_used_ = 0;
  std::optional<Credentials> credentials_;
  Secret<std::string> token_;
  SteadyTime token_refresh_at_{};
  SteadyTime renew_again_at_{};  // after a renewal that failed
  bool preparing_ = false;       // one at a time; others wait for its result
  net::Event prepared_;
};

}  // namespace pga::uplink
