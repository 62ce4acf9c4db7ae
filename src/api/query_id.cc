#include "api/query_id.h"

#include "base/bytes.h"
#include "base/text.h"

namespace pga::api {
namespace {

constexpr std::size_t kNameBytesMax = 256;  // PostgreSQL's are 63 bytes unless it was built otherwise

Result<store::StatementKey> decode(std::string_view id) {
  PGA_TRY(const Bytes bytes, parse_base64url(id));
  ByteReader in(bytes);
  store::StatementKey key;
  PGA_TRY(const std::uint64_t server, in.varint());
  key.server = static_cast<std::uint32_t>(server);
  PGA_TRY(key.queryid, in.fixed<std::int64_t>());
  PGA_TRY(key.database, in.string(kNameBytesMax));
  PGA_TRY(key.user, in.string(kNameBytesMax));
  if (in.left() != 0 || server != key.server || !is_utf8(key.database) || !is_utf8(key.user)) return corrupt("not a query id");
  return key;
}

}  // namespace

std::string encode_query_id(const store::StatementKey& key) {
  ByteWriter out;
  out.varint(key.server);
  out.fixed(key.queryid);
  out.string(key.database);
  out.string(key.user);
  return to_base64url(out.view());
}

Result<store::StatementKey> decode_query_id(std::string_view id) {
  auto key = decode(id);
  if (!key) return Error{ErrorCode::kNotFound, "there is no query " + std::string(id.substr(0, 128))};
  return key;
}

}  // namespace pga::api
