#include "api/assets.h"

#include <algorithm>
#include <array>

#include "api/openapi.h"
#include "base/check.h"

namespace pga::api {
namespace {

constexpr std::string_view kWithoutUi = R"html(<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>pgAnalytics</title>
<h1>pgAnalytics</h1>
<p>This server was built without the web UI. Its API is there: <a href="/api/v1/openapi.yaml">openapi.yaml</a>.</p>
<p>To build the UI, install Node 18 or newer, run <code>./run build</code> in the source tree and start the new pganalytics-server.</p>
</html>
)html";

constexpr std::string_view kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'";

std::string_view content_type(std::string_view path) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kTypes{{
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".ico", "image/x-icon"},
      {".json", "application/json"},
      {".webmanifest", "application/manifest+json"},
      {".woff2", "font/woff2"},
      {".woff", "font/woff"},
      {".txt", "text/plain; charset=utf-8"},
      {".wasm", "application/wasm"},
  }};
  for (const auto& [ending, type] : kTypes) {
    if (path.ends_with(ending)) return type;
  }
  return "application/octet-stream";
}

}  // namespace

Ui::Ui(std::vector<Asset> files) : files_(std::move(files)) {
  std::sort(files_.begin(), files_.end(), [](const Asset& a, const Asset& b) { return a.path < b.path; });
}

net::Response Ui::answer(const net::Request& request) const {
  const auto find = [&](std::string_view path) {
    const auto at = std::lower_bound(files_.begin(), files_.end(), path, [](const Asset& a, std::string_view p) { return a.path < p; });
    return at != files_.end() && at->path == path ? &*at : nullptr;
  };
  std::string_view path = request.path();
  path.remove_prefix(path.starts_with('/') ? 1 : 0);
  const Asset* file = find(path);
  net::Response response;
  if (file == nullptr && path.starts_with("assets/")) {  // of another version of the UI: index.html in its place would only confuse
    response = net::Response::text(404, "there is no such file in this version\n");
    response.headers.add("Cache-Control", "no-store");
    return response;
  }
  if (file == nullptr) file = find("index.html");
  response.headers.add("Content-Type", content_type(file != nullptr ? file->path : "index.html"));
  response.headers.add("Cache-Control", path.starts_with("assets/") ? "public, max-age=31536000, immutable" : "no-cache");
  response.body = file != nullptr ? file->content : kWithoutUi;
  return response;
}

void add_security_headers(net::Response& response, bool tls) {
  response.headers.add("Content-Security-Policy", kContentSecurityPolicy);
  response.headers.add("X-Content-Type-Options", "nosniff");
  response.headers.add("X-Frame-Options", "DENY");
  response.headers.add("Referrer-Policy", "no-referrer");
  response.headers.add("Cross-Origin-Opener-Policy", "same-origin");
  response.headers.add("Cross-Origin-Resource-Policy", "same-origin");
  response.headers.add("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()");
  if (tls) response.headers.add("Strict-Transport-Security", "max-age=31536000; includeSubDomains");
  if (!response.headers.find("Cache-Control")) response.headers.add("Cache-Control", "no-store");
}

std::string_view embedded_openapi() {
  static const std::vector<Asset> kFiles = api_files();
  PGA_CHECK(kFiles.size() == 1);
  return kFiles.front().content;
}

}  // namespace pga::api
