// The web UI, compiled in; and the headers that keep a browser from doing what we did not mean.
#pragma once

#include <string_view>
#include <vector>

#include "net/http.h"

namespace pga::api {

struct Asset {
  std::string_view path;  // "index.html", "assets/index-3f2a.js"
  std::string_view content;
};

std::vector<Asset> ui_files();   // of web/dist when this program was built; empty without it
std::vector<Asset> api_files();  // "openapi.yaml"

// Answers GET and HEAD for anything that is not the API's: the file, or index.html for paths that the UI routes by itself. Files under
// assets/ have their hash in the name and may be kept for ever. Without a built UI: a page that says so.
class Ui {
 public:
  explicit Ui(std::vector<Asset> files = ui_files());
  [[nodiscard]] net::Response answer(const net::Request& request) const;

 private:
  std::vector<Asset> files_;  // in order of path
};

// Content-Security-Policy and its companions, on every answer of the people's port. `tls`: with HSTS.
void add_security_headers(net::Response& response, bool tls);

}  // namespace pga::api
