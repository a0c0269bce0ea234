// A communicator that notes on a board what it is in.
#pragma once

#include <memory>

#include "trainer/communicator.h"
#include "trainer/operation_board.h"

namespace muster::trainer {

// The same as `watched`, and so are its duplicates; each is a channel of the board. Both must
// outlive the result.
std::unique_ptr<Communicator> create_watched_communicator(Communicator& watched,
                                                          OperationBoard& board);

}  // namespace muster::trainer
