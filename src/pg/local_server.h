// Whether the server at the other end of a connection runs on this machine.
#pragma once

namespace pga::pg {

// The process id of the postmaster whose backend serves `socket`, as this process numbers processes; 0 if that is not a process of this
// machine that we can see. `backend`: the backend's own idea of its process id. Reads /proc.
int local_postmaster(int socket, int backend);

}  // namespace pga::pg
