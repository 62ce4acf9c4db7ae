// The opaque, url-safe id of a statement: server, queryid, database and user.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "store/queries.h"

namespace pga::api {

std::string encode_query_id(const store::StatementKey& key);
Result<store::StatementKey> decode_query_id(std::string_view id);  // kNotFound: such an id was never given out

}  // namespace pga::api
